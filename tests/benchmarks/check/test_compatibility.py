"""The table of techniques and mmseg's own models: what is tried, what is kept, how it reads."""

from pathlib import Path

import pytest

from benchmarks.check import compatibility
from benchmarks.check.compatibility import TECHNIQUES, Outcome, main, markdown, model_files, read_outcomes
from benchmarks.check.compatibility_trial import Trials, _for_pictures
from benchmarks.check.isolated import Crash
from benchmarks.errors import BadInput
from benchmarks.stacks.technique import chosen

OUTCOMES = [
    Outcome('a', '', True),
    Outcome('b', '', True),
    Outcome('c', '', False, 'needs compiled | operators'),
    Outcome('a', 'loss', True),
    Outcome('b', 'loss', True),
    Outcome('a', 'head', False, 'only an FCNHead'),
    Outcome('b', 'head', False, 'only an FCNHead'),
    Outcome('a', 'view', False, 'too large'),
    Outcome('b', 'view', True),
]


def test_mmsegs_model_files_are_found():
    assert len(model_files()) >= 50
    assert model_files()['pspnet_r50-d8'].is_file()


def test_an_unknown_name_is_refused_with_close_matches(capsys, monkeypatch, tmp_path):
    with pytest.raises(BadInput, match="--models 'pspnet': .* did you mean 'pspnet_r50-d8'"):
        chosen(dict.fromkeys(['pspnet_r50-d8', 'stdc'], Path()), ['pspnet'], '--models', 'models')
    for name in ('PYTHONPATH', 'CUDA_VISIBLE_DEVICES'):  # the command sets them for its children
        monkeypatch.setenv(name, '')
    assert main(['--models', 'there_is_none', '--out', str(tmp_path / 'out')]) == 2
    assert 'there_is_none' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_the_table_counts_and_groups_reasons():
    text = markdown(OUTCOMES, ['loss', 'head', 'view', 'never tried'])
    assert "mmsegmentation's 3 files" in text and ', 2 can be built' in text
    assert '| `loss` | 2 of 2 |  |' in text
    assert '| `head` | 0 of 2 | `a`, `b`: only an FCNHead |' in text
    assert '| `view` | 1 of 2 | `a`: too large |' in text
    assert '| `c` | needs compiled \\| operators |' in text
    assert 'never tried' not in text


@pytest.fixture
def tried(monkeypatch):
    """Replaces the processes; gives the list of (model, techniques) that they are asked for."""
    asked = []

    def run_isolated(jobs, at_once, timeout_s):
        for job in jobs:
            name, _, techniques, table, _ = job.arguments
            asked.append((name, list(techniques)))
            for technique in techniques:
                if technique == 'crashes':
                    break
                compatibility._append(table, Outcome(name, technique, works=name != 'unusable'))
                if name == 'unusable':
                    break
            yield job.name, Crash('signal 9') if 'crashes' in techniques and name != 'unusable' else None

    monkeypatch.setattr(compatibility, 'run_isolated', run_isolated)
    return asked


def test_what_has_been_tried_is_not_tried_again(tried, tmp_path):
    table, models = tmp_path / 'table.csv', dict(model=Path(), unusable=Path())
    compatibility._fill(table, models, dict(loss=Path()), jobs=1)
    assert tried == [('model', ['', 'loss']), ('unusable', ['', 'loss'])]
    compatibility._fill(table, models, dict(loss=Path(), view=Path()), jobs=1)
    assert tried[2:] == [('model', ['view'])]
    assert [(one.model, one.technique) for one in read_outcomes(table)] == [
        ('model', ''),
        ('model', 'loss'),
        ('unusable', ''),
        ('model', 'view'),
    ]


def test_a_crash_costs_one_technique(tried, tmp_path):
    table = tmp_path / 'table.csv'
    compatibility._fill(table, dict(model=Path()), dict(loss=Path(), crashes=Path(), view=Path()), jobs=1)
    assert {one.technique: (one.works, one.reason) for one in read_outcomes(table)} == {
        '': (True, ''),
        'loss': (True, ''),
        'crashes': (False, 'signal 9'),
        'view': (True, ''),
    }


def test_techniques_are_tried_on_a_real_model(tmp_path, monkeypatch):
    for name in ('PYTHONPATH', 'CUDA_VISIBLE_DEVICES'):
        monkeypatch.setenv(name, '')
    techniques = ['dice_loss', 'flips_rot90', 'crf', 'weight_ema', 'ensemble_checkpoints', 'compile_inference']
    assert main(['--out', str(tmp_path), '--jobs', '1', '--models', 'cgnet', '--techniques', *techniques]) == 0
    outcomes = read_outcomes(tmp_path / 'compatibility.csv')
    assert [one.technique for one in outcomes] == ['', *techniques]
    assert all(one.works for one in outcomes), [one for one in outcomes if not one.works]
    assert '| `dice_loss` | 1 of 1 |' in (tmp_path / 'README.md').read_text()


def test_a_failure_on_a_full_disk_is_not_believed(tried, tmp_path, monkeypatch):
    table = tmp_path / 'table.csv'
    monkeypatch.setattr(compatibility, 'LEAST_FREE_BYTES', 2**70)
    with pytest.raises(BadInput, match='full'):
        compatibility._fill(table, dict(model=Path()), dict(loss=Path(), crashes=Path()), jobs=1)
    assert [one.technique for one in read_outcomes(table)] == ['', 'loss']


@pytest.mark.slow
def test_a_trial_leaves_no_weights_behind(tmp_path):
    trials = Trials(model_files()['cgnet'], tmp_path / 'trials')
    assert trials.find_size([64]) is None
    assert trials.run(TECHNIQUES / 'dice_loss.py')[0] is None
    assert [path.name for path in (tmp_path / 'trials').iterdir()] == ['pictures_64']


def test_keys_of_ensemble_members_are_checked_on_a_model_too(tmp_path):
    row = tmp_path / 'odd.py'
    row.write_text(
        "title = 'Odd'\ndescription = ''\nimports = ['plugins.hooks.ensemble']\n"
        'overlay = dict(ensemble=dict(members=[dict(), dict(model=dict(decode_head=dict(drop_ratio=0.3)))]))\n'
    )
    trials = Trials(model_files()['cgnet'], tmp_path / 'trials')
    assert trials.find_size([64]) is None
    reason, _ = trials.run(row)
    assert "technique 'odd', member 2" in reason and "takes no 'drop_ratio'" in reason


def test_windows_and_grids_of_positions_are_those_of_the_pictures():
    ready = _for_pictures(dict(type='EncoderDecoder', test_cfg=dict(mode='slide', crop_size=256, stride=170)), 64)
    assert ready == dict(type='EncoderDecoder', test_cfg=dict(mode='slide', crop_size=(64, 64), stride=(42, 42)))
    for as_it_is in (ready, dict(test_cfg=dict(mode='whole'))):
        assert _for_pictures(as_it_is, 128) == as_it_is
    grid = dict(backbone=dict(type='BEiT', img_size=(640, 640)), test_cfg=dict(mode='whole'))
    assert _for_pictures(grid, 64) == {**grid, 'backbone': dict(type='BEiT', img_size=(64, 64))}


def test_a_model_that_predicts_no_classes_is_named_so(tmp_path):
    assert 'no decode head with num_classes' in Trials(model_files()['vpd_sd'], tmp_path / 'trials').find_size([64])
