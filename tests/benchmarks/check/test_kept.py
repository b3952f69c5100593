"""The check baselines' own runs are kept: which runs hold, and which are made again."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.check import kept
from benchmarks.check.baselines import make_check_baseline
from benchmarks.check.command import CheckSettings, TechniqueChecker
from benchmarks.check.result import Cost

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
NAME = 'unet_small_icbm152'


@pytest.fixture
def baseline(tmp_path):
    pictures = kept.kept_pictures(tmp_path)
    return make_check_baseline(CONFIGS / 'baselines' / f'{NAME}.py', CONFIGS, pictures, 'cpu')


def test_a_run_holds_until_its_config_or_the_libraries_change(baseline, tmp_path, monkeypatch):
    place = kept.place_of(baseline, tmp_path)
    assert kept.place_of(baseline, tmp_path) == place and place.name.startswith(f'{NAME}_')
    config = {**baseline.config, 'train_cfg': {**baseline.config['train_cfg'], 'max_iters': 3}}
    assert kept.place_of(replace(baseline, config=config), tmp_path) != place
    monkeypatch.setattr(kept, 'library_versions', lambda: {'torch': '0'})
    assert kept.place_of(baseline, tmp_path) != place


def test_only_complete_runs_count_and_outdated_ones_go(tmp_path):
    place, old = tmp_path / 'a_b_new', tmp_path / 'a_b_old'
    place.mkdir(), old.mkdir(), (tmp_path / 'other_old').mkdir()
    assert kept.kept_cost(place) is None
    kept.keep_cost(place, Cost(parameters=3))
    assert kept.kept_cost(place) == Cost(parameters=3)
    for folder in (old, tmp_path / 'other_old'):
        os.utime(folder, (time.time() - 1e6,) * 2)
    kept.drop_outdated(place)
    assert [path.name for path in tmp_path.iterdir()] == ['other_old']


def test_a_second_check_prepares_nothing(tmp_path, monkeypatch):
    ran = []

    def run(self, jobs):
        for job in jobs:
            ran.append(job.name)
            kept.keep_cost(job.arguments[1], Cost(parameters=7))
            yield job.name, Cost(parameters=7)

    monkeypatch.setattr(TechniqueChecker, '_run', run)
    settings = CheckSettings(CONFIGS, cache=tmp_path / 'cache')
    said = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        checker = TechniqueChecker(folder, settings, (NAME,))
        assert checker.prepare(told=lambda *numbers: said.append(numbers)) == number
        assert checker.costs == {NAME: Cost(parameters=7)}
    assert ran == [NAME] and said == [(1, 1)]
