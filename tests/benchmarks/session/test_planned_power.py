"""Which earlier run tells what a grid's seeds can show, and what is said of it."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import record
from benchmarks.analysis.metrics import DICE, METRIC_OF
from benchmarks.analysis.power import Components, Design
from benchmarks.files import read_json
from benchmarks.session.planned_power import Pilot, _differences, find_pilot, planned_power
from benchmarks.store.outputs import Outputs

DATA = SimpleNamespace(train=SimpleNamespace(fingerprint='t'), test=SimpleNamespace(fingerprint='abc'), folds=())
KNOWN = Components(seeds=0.17, groups=0.004, interaction=0.03, effective_groups=8, pairs=5, n_seeds=3, most_seeds=3)


@pytest.fixture
def run(tmp_path, synthetic_writer):
    """Write the records of a run that the store knows: ``run(name, seeds, test='abc')``."""
    outputs = Outputs(tmp_path / 'outputs', tmp_path)

    def run(name, seeds, test='abc'):
        out = synthetic_writer(tmp_path / name, seeds=seeds, failed=())
        grid = record.read_grid_json(out)
        grid['dataset'] |= dict(fingerprint=dict(train='t', test=test))
        record.write_grid(out, grid)
        outputs.add(out, [])
        return out

    return SimpleNamespace(write=run, find=lambda name: find_pilot(tmp_path / name, outputs, DATA))


def test_the_run_of_the_output_folder_comes_first(run, tmp_path):
    run.write('other', (0, 1, 2))
    own = run.write('own', (0, 1))
    pilot = run.find('own')
    assert pilot.folder == own and pilot.components.n_seeds == 2
    assert pilot.components.pairs == 3 and 0 < pilot.components.seeds < 1


def test_else_the_one_with_most_to_tell_on_the_same_images(run):
    run.write('few', (0, 1))
    many = run.write('many', (0, 1, 2))
    run.write('other_images', (0, 1, 2, 3), test='other')
    assert run.find('new').folder == many


def test_a_fresh_clone_finds_the_records_that_its_project_keeps(run, tmp_path, monkeypatch):
    few = run.write('work/few', (0, 1))
    kept = run.write('project/results/kept', (0, 1, 2))
    run.write('project/results/other_images', (0, 1, 2, 3), test='other')
    grid = tmp_path / 'project' / 'configs' / 'grids' / 'mine.py'
    nothing_known = Outputs(tmp_path / 'fresh', tmp_path)
    pilot = find_pilot(tmp_path / 'new', nothing_known, DATA, DICE, grid)
    assert pilot.folder == kept and find_pilot(tmp_path / 'new', nothing_known, DATA) is None
    assert find_pilot(few, nothing_known, DATA, DICE, grid).folder == few, 'the output folder comes first'
    monkeypatch.chdir(tmp_path / 'project')
    assert '3 pairs of 3 seeds in results/kept); ' in planned_power(pilot, Design(6, 5), 5, 1.0)


def test_the_records_of_the_grids_name_come_before_those_with_more_to_tell(run, tmp_path):
    named = run.write('project/results/mine', (0, 1))
    run.write('project/results/more', (0, 1, 2))
    nothing_known = Outputs(tmp_path / 'fresh', tmp_path)
    found = find_pilot(tmp_path / 'new', nothing_known, DATA, DICE, tmp_path / 'project' / 'mine.py')
    assert found.folder == named


def test_pairs_on_changed_images_of_another_run_do_not_count(run):
    out = run.write('noisy', (0, 1, 2))
    record.write_grid(out, record.read_grid_json(out) | dict(conditions=['loss']))
    assert run.find('noisy').components.pairs == 3, 'the own folder has the conditions of its grid'
    assert run.find('new').components.pairs == 1


def test_one_seed_or_damaged_records_tell_nothing(run):
    out = run.write('one', (0,))
    assert run.find('new') is None
    (out / 'records' / 'counts.csv.gz').write_bytes(b'')
    assert run.find('one') is None


def test_of_a_pair_that_shares_some_trainings_the_other_seeds_count(run):
    out = run.write('tuned', (0, 1, 2))
    alone = {one.full.size for one in _differences(out, DICE)[0]}
    for path in (out / 'records').glob('*__seed2.json'):
        content = read_json(path)
        record.write_record(out, content | dict(keys=content['keys'] | dict(train='shared')))
    assert alone == {3} and {one.full.size for one in _differences(out, DICE)[0]} == {2}


def test_what_is_said():
    pilot = Pilot(Path('work/quickstart'), KNOWN)
    said = planned_power(pilot, Design(6, 5), 5, 1.0)
    assert said.startswith('power: with 5 seeds the smallest Dice gain that the 5 primary pairs can show is about 0.9')
    assert 'as the 5 pairs of 3 seeds in work/quickstart); 1 point needs about ' in said
    assert 'with up to 5 seeds' in planned_power(pilot, Design(6, 1), 5, 0.0, last=True)
    few_groups = Pilot(Path('w'), KNOWN._replace(groups=0.5))
    assert '0.5 points need more than 30 seeds, or more test images' in planned_power(few_groups, Design(6, 5), 3, 0.5)


def test_of_pairs_within_one_training_nothing_is_said_where_there_are_others(run):
    out = run.write('shared', (0, 1, 2))
    assert not run.find('shared').anew
    for seed in (0, 1, 2):
        ours, theirs = (out / 'records' / f'{stack}__seed{seed}.json' for stack in ('attention', 'attention+loss'))
        content = read_json(theirs)
        train = read_json(ours)['keys']['train']
        record.write_record(out, content | dict(keys=content['keys'] | dict(train=train)))
    pilot = run.find('shared')
    assert pilot.anew and pilot.components.pairs == 2
    said = planned_power(pilot, Design(6, 5), 5, 1.0)
    assert 'gain that those of the 5 primary pairs that train anew can show is about' in said


def test_few_pairs_leave_a_range_and_unequal_seeds_are_said():
    wide = Pilot(Path('w'), KNOWN._replace(most_seeds=10), [KNOWN] * 4 + [KNOWN._replace(seeds=0.9)] * 4)
    said = planned_power(wide, Design(6, 5), 5, 1.0)
    assert re.search(r'is about 0\.9\d points, from 0\.9\d to [12]\.\d as far as 5 pairs tell \(in 80%', said)
    assert 'as the 5 pairs of 3 to 10 seeds in w)' in said
    sure = planned_power(wide._replace(resampled=[KNOWN] * 8), Design(6, 5), 5, 1.0)
    assert 'pairs tell' not in sure


def test_without_an_earlier_run_that_is_said():
    assert 'not known before the first run on these data' in planned_power(None, Design(6, 5), 3, 0.5)
    assert 'one seed shows no gain' in planned_power(Pilot(Path(), KNOWN), Design(6, 5), 1, 0.5)


def test_power_is_told_in_the_unit_of_the_metric():
    said = planned_power(Pilot(Path(), KNOWN), Design(6, 5), 5, 1.0, METRIC_OF['hd95_px'])
    assert 'the smallest HD95 gain that' in said and ' px (in ' in said and '; 1 px needs about' in said
