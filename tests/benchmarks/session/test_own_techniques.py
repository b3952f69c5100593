"""Techniques of one's own beside one's own grid: found, imported, keyed and refused as those that ship."""

import sys
from pathlib import Path

import pytest

from benchmarks.check.command import files_to_check
from benchmarks.errors import BadInput
from benchmarks.plan.grid import read_grid
from benchmarks.session.experiment import read_request
from benchmarks.session.settings import Settings
from benchmarks.stacks.own_modules import make_importable, refuse_shadowed

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = ROOT / 'configs'
MODULE = """
from mmseg.registry import MODELS
from torch import nn

@MODELS.register_module()
class HalvedLoss(nn.CrossEntropyLoss):
    loss_name, factor = 'loss_halved', 0.5
"""
TECHNIQUE = """
title, description, imports = 'halved', 'Half the loss.', ['halved_loss']
overlay = dict(model=dict(decode_head=dict(loss_decode=dict(_delete_=True, type='HalvedLoss'))))
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A folder with a grid, a technique, and the technique's module."""
    monkeypatch.setattr(sys, 'path', list(sys.path))
    folder = tmp_path / 'mine'
    (folder / 'techniques').mkdir(parents=True)
    (folder / 'techniques' / 'halved.py').write_text(TECHNIQUE)
    (folder / 'halved_loss.py').write_text(MODULE)
    write_grid(folder)
    return folder


def write_grid(folder, techniques=('halved', 'tta_flips'), extra=''):
    (folder / 'grid.py').write_text(
        f"title, seeds, baseline = 'Mine', 1, '{CONFIGS / 'baselines' / 'unet_small_icbm152.py'}'\n"
        f"designs = [dict(type='cumulative', techniques={list(techniques)!r})]\n{extra}"
    )


def request(folder):
    return read_request(read_grid(folder / 'grid.py'), Settings(folder / 'work', CONFIGS, 'cpu'))


def test_the_folder_techniques_beside_a_grid_is_read_and_its_modules_code_is_found(mine):
    stacks = request(mine).stacks
    config = stacks.paired['halved', 'tta_flips']
    assert 'halved_loss' in config['custom_imports']['imports']
    assert 'halved_loss' in stacks.code.modules_reached(config['model'])
    assert 'halved_loss' not in stacks.code.modules_reached(stacks.paired[()]['model'])


def test_named_folders_replace_the_default_and_their_parents_modules_are_imported(mine, tmp_path):
    other = tmp_path / 'other'
    mine.joinpath('techniques').rename(mine / 'unread')
    other.mkdir()
    mine.joinpath('unread').rename(other / 'rows')
    mine.joinpath('halved_loss.py').rename(other / 'halved_loss.py')
    write_grid(mine, extra="technique_folders = ['../other/rows']\n")
    assert read_grid(mine / 'grid.py').module_folders == [mine, other]
    assert 'halved_loss' in request(mine).stacks.code.modules


def test_a_grid_without_such_a_folder_has_shipped_techniques_alone():
    assert read_grid(CONFIGS / 'grids' / 'imbalanced.py').technique_folders == []


def test_a_name_that_both_have_is_refused_with_both_files(mine):
    (mine / 'techniques' / 'focal.py').write_text(TECHNIQUE)
    with pytest.raises(BadInput, match=f"two techniques are called 'focal': {CONFIGS}.*focal.py and {mine}.*focal.py"):
        request(mine)


def test_all_names_that_both_have_are_told_at_once(mine):
    for name in ('focal', 'cbam'):
        (mine / 'techniques' / f'{name}.py').write_text(TECHNIQUE)
    with pytest.raises(BadInput) as refused:
        request(mine)
    assert len(refused.value.args) == 2


def test_the_shipped_folder_named_once_more_counts_once(mine):
    write_grid(mine, ['focal'], extra=f'technique_folders = [{str(CONFIGS / "techniques")!r}]\n')
    assert ('focal',) in request(mine).stacks.paired


def test_an_unknown_name_is_refused_with_close_matches_of_ones_own(mine):
    write_grid(mine, ['halvd'])
    with pytest.raises(BadInput, match="unknown technique 'halvd'.*did you mean 'halved'"):
        request(mine)
    with pytest.raises(BadInput, match="--check 'halvd'.*did you mean 'halved'"):
        files_to_check(CONFIGS / 'techniques', ['halvd'], [mine / 'techniques'])
    checked = files_to_check(CONFIGS / 'techniques', ['halved', 'focal'], [mine / 'techniques'])
    assert [path.parent for path in checked] == [mine / 'techniques', CONFIGS / 'techniques']


@pytest.mark.parametrize(
    'value, message',
    [
        ("['rows']", "'technique_folders' names 'rows', and there is no folder .*mine/rows"),
        ("'rows'", "'technique_folders' is 'rows'"),
        ('[3]', "'technique_folders' holds 3; give paths beside the grid's file"),
    ],
)
def test_folders_that_are_none_are_refused(mine, value, message):
    write_grid(mine, extra=f'technique_folders = {value}\n')
    with pytest.raises(BadInput, match=message):
        read_grid(mine / 'grid.py')


def test_a_module_that_is_missing_is_named_as_one_of_the_checkout(mine):
    (mine / 'techniques' / 'halved.py').write_text(TECHNIQUE.replace("['halved_loss']", "['halved_los']"))
    with pytest.raises(BadInput, match="technique 'halved' imports 'halved_los', .*did you mean 'halved_loss'"):
        request(mine)


def test_folders_of_a_grid_stand_last_on_the_path_once(mine):
    make_importable([mine])
    make_importable([mine, mine, Path(pytest.__file__).parents[1]])  # site-packages is on the path already
    assert sys.path[-1] == str(mine) and sys.path.count(str(mine)) == 1


@pytest.mark.parametrize('name', ['numpy', 'statistics', 'sys', 'plugins'])
def test_a_file_beside_the_grid_that_another_module_of_its_name_hides_is_refused(mine, name):
    (mine / name).mkdir()
    (mine / name / 'loss.py').touch()
    make_importable([mine])
    with pytest.raises(BadInput, match=f"'{name}' is imported by name, and {mine / name} is not what is found"):
        refuse_shadowed([f'{name}.loss'], [mine])
    refuse_shadowed(['halved_loss', 'mmseg.models'], [mine])


# ---- siblings

CBAM_ON_SEGFORMER = (
    f"title, seeds, baseline = 'Mine', 1, '{CONFIGS / 'baselines' / 'segformer_small_icbm152.py'}'\n"
    "designs = [dict(type='cumulative', techniques=['cbam'])]\n"
)


def test_a_refusal_names_the_sibling_that_fits(tmp_path):
    (tmp_path / 'grid.py').write_text(CBAM_ON_SEGFORMER)
    with pytest.raises(BadInput, match="for the type 'FCNHead' only; 'cbam_neck' fits this baseline$"):
        request(tmp_path)


def test_a_sibling_that_does_not_fit_is_not_named(tmp_path):
    (tmp_path / 'base.py').write_text(
        f"_base_ = '{CONFIGS / 'baselines' / 'segformer_small_icbm152.py'}'\n"
        "model = dict(neck=dict(type='NoSuchNeck'))\n"
    )
    (tmp_path / 'grid.py').write_text(CBAM_ON_SEGFORMER + "baseline = 'base.py'\n")
    with pytest.raises(BadInput, match="for the type 'FCNHead' only$"):
        request(tmp_path)


def test_a_sibling_that_is_no_technique_is_refused(mine):
    (mine / 'techniques' / 'halved.py').write_text(TECHNIQUE + "sibling = 'focl'\n")
    with pytest.raises(BadInput, match="halved.py: its sibling 'focl' is no other technique; did you mean 'focal'"):
        request(mine)
    (mine / 'techniques' / 'halved.py').write_text(TECHNIQUE + "sibling = ['focal']\n")
    with pytest.raises(BadInput, match=r"halved.py: sibling is \['focal'\]; it is the name of a technique"):
        request(mine)


def test_all_bad_techniques_are_told_at_once(mine):
    """One that is nowhere, one without an overlay, one that changes nothing, and one whose module is nowhere."""
    bad = dict(
        bare="title, description = 'bare', 'No overlay.'",
        idle=TECHNIQUE.partition('overlay')[0] + 'overlay = dict(model=dict(decode_head=dict(num_classes=3)))',
        lost=TECHNIQUE.replace("['halved_loss']", "['halved_los']"),
    )
    for name, content in bad.items():
        (mine / 'techniques' / f'{name}.py').write_text(content)
    write_grid(mine, ['nowhere', *bad, 'halved'])
    with pytest.raises(BadInput) as refused:
        request(mine)
    told = '\n'.join(refused.value.args)
    for said in ("'nowhere'", "bare.py lacks the field 'overlay'", "technique 'idle'", "technique 'lost' imports"):
        assert said in told, told
    assert len(refused.value.args) == 4


@pytest.mark.parametrize(
    'field, value, cure',
    [('seeds', "'3'", 'give a number without quotes'), ('designs', '{}', "give a list, [dict(type='cumulative'")],
)
def test_a_wrong_type_of_a_field_gets_the_right_one_and_the_place_of_the_table(mine, field, value, cure):
    write_grid(mine, extra=f'{field} = {value}\n')
    with pytest.raises(BadInput) as refused:
        read_grid(mine / 'grid.py')
    assert f"'{field}' is " in str(refused.value) and cure in str(refused.value)
    assert 'configs/README.md, section Grids' in str(refused.value)
