"""What a grid says of where its stages run: read as the flags are."""

from argparse import Namespace

import pytest

from benchmarks.plan.grid import Grid
from benchmarks.run.ray.settings import RaySettings
from benchmarks.run.ray.settings import read_settings as settings_of_ray
from benchmarks.run.slurm.settings import SlurmSettings
from benchmarks.run.slurm.settings import read_settings as settings_of_slurm
from benchmarks.session.grid_place import settings_of_launchers, store_asked

SLURM = dict(partition='gpu', account='lab', constraint='a100', gpus=1, time='2h', mem='16GiB')
RAY = dict(gpus=0.5, cpus=2, memory='8GB', lost='3m')


def grid_of(**fields):
    return Grid('g', 'G', 'b.py', [], **fields)


def words(values):
    return [f'{key}={value}' for key, value in values.items()]


def test_a_grid_gives_what_the_flags_would_give():
    values = settings_of_launchers(grid_of(slurm=SLURM, ray=RAY))
    assert settings_of_slurm([], None, values['slurm']) == settings_of_slurm(words(SLURM), None)
    assert settings_of_ray([], None, None, values['ray']) == settings_of_ray(words(RAY), None, None)


def test_a_grid_that_says_nothing_leaves_the_defaults():
    values = settings_of_launchers(grid_of())
    assert settings_of_slurm([], None, values['slurm']) == (SlurmSettings(), 'cpu')
    assert settings_of_ray([], None, None, values['ray']) == (RaySettings(), 'cpu')


@pytest.mark.parametrize(
    'flag, of_grid, url',
    [(None, None, None), (None, 's3://b', 's3://b'), ('s3://c', 's3://b', 's3://c'), ('none', 's3://b', None)],
)
def test_the_flag_of_the_store_wins_and_none_leaves_it_out(flag, of_grid, url):
    asked = store_asked(Namespace(store=flag, launcher='local'), grid_of(store=of_grid))
    assert asked == (url and (url, '--store' if flag else ".: 'store'"))
