"""Whether a cell came out again: equal counts, altered counts, other machines, and cells that cannot be compared."""

import csv
import gzip
import shutil

import pytest

from benchmarks.check import verify as verifying
from benchmarks.check.cell_again import StageFailed, Ways
from benchmarks.check.verify import judge, recorded_cell, unlike_machines, verify
from benchmarks.errors import BadInput
from benchmarks.record import COUNTS, DISTANCES, read_grid_json, read_records

CELL = 'attention+loss__seed1'
ELSEWHERE = ['torch (2.13 there, 2.11 here)']


def rows_of(out, cell=CELL):
    with gzip.open(out / 'records' / 'counts.csv.gz', 'rt', newline='') as stream:
        rows = [row for row in csv.DictReader(stream) if row['cell'] == cell]
    numbers = {name: lambda text: int(text) for name in COUNTS}
    numbers |= {name: lambda text: float(text) if text else None for name in DISTANCES}
    return [{name: numbers[name](text) if name in numbers else text for name, text in row.items()} for row in rows]


def judged(out, rows, unlike=(), cell=CELL):
    records = {record['cell']: record for record in read_records(out)}
    return judge(out, read_grid_json(out), records[cell], rows, list(unlike))


@pytest.mark.parametrize('unlike', [[], ELSEWHERE])
def test_equal_counts_hold_on_any_machine(synthetic_out, unlike):
    holds, lines = judged(synthetic_out, rows_of(synthetic_out), unlike)
    assert holds and len(lines) == 1 and 'all counts of 56 images are equal' in lines[0]


@pytest.mark.parametrize('field, by', [('tp', 1), ('edge_close', 1), ('hd95_px', 1e-12)])
def test_one_altered_number_of_one_image_is_noticed(synthetic_out, field, by):
    rows = rows_of(synthetic_out)
    rows[20] = {**rows[20], field: rows[20][field] + by}
    holds, lines = judged(synthetic_out, rows)
    assert not holds and '1 of 56 images have other counts' in lines[0] and 'does not come out again' in lines[1]


def test_a_distance_that_is_no_longer_defined_is_noticed(synthetic_out):
    rows = rows_of(synthetic_out)
    rows[20] = {**rows[20], 'hd95_px': None}
    assert not judged(synthetic_out, rows).holds


def shifted(rows, pixels):
    """Counts with fewer true positives in each image."""
    return [{**row, 'tp': row['tp'] - pixels, 'fn': row['fn'] + pixels, 'fp': row['fp'] + pixels} for row in rows]


def test_on_another_machine_the_interval_over_seeds_decides(synthetic_out):
    near, far = (judged(synthetic_out, shifted(rows_of(synthetic_out), n), ELSEWHERE) for n in (1, 60))
    assert near.holds and 'lies inside the 95 % prediction interval over the 3 seeds' in near.lines[-1]
    assert not far.holds and 'lies outside' in far.lines[-1]
    assert 'of another kind: torch (2.13 there, 2.11 here)' in far.lines[1]


def test_two_seeds_give_no_interval(synthetic_out):
    cell = 'attention__seed0'  # its third seed failed
    holds, lines = judged(synthetic_out, shifted(rows_of(synthetic_out, cell), 1), ELSEWHERE, cell)
    assert not holds and '2 seeds with a Dice, and a prediction interval needs 3: nothing can be said' in lines[-1]


def test_a_cell_of_a_fold_is_compared_within_its_fold(folded_writer, tmp_path):
    out = folded_writer(tmp_path)
    cell = 'attention__seed1__fold2'
    assert judged(out, rows_of(out, cell), (), cell).holds
    holds, lines = judged(out, shifted(rows_of(out, cell), 1), ELSEWHERE, cell)
    assert holds and 'over the 3 seeds' in lines[-1]


def test_other_images_are_refused(synthetic_out):
    with pytest.raises(BadInput, match='other images now .55, and 56 are recorded.*--data-root'):
        judged(synthetic_out, rows_of(synthetic_out)[3:])


def test_missing_counts_are_refused(synthetic_out, tmp_path):
    out = shutil.copytree(synthetic_out, tmp_path / 'out')
    rows = rows_of(out)
    (out / 'records' / 'counts.csv.gz').unlink()
    with pytest.raises(BadInput, match='counts cannot be read'):
        judged(out, rows)


def test_cells_that_cannot_be_verified_are_refused(synthetic_out, tmp_path):
    with pytest.raises(BadInput, match="no record of a cell 'attention__sed1'; did you mean 'attention__seed1'"):
        recorded_cell(synthetic_out, 'attention__sed1')
    with pytest.raises(BadInput, match='attention__seed2 has no result to compare with, it ended as out_of_memory'):
        recorded_cell(synthetic_out, 'attention__seed2')
    with pytest.raises(BadInput, match='grid.json does not exist'):
        recorded_cell(tmp_path, 'attention__seed1')


def test_machines_differ_by_what_can_change_a_bit():
    there = dict(cpu=dict(model='A', cores=8), packages=dict(torch='2.13', pandas='3'), gpus=[])
    grid = dict(device='cpu', environment=there)
    assert unlike_machines(grid, {**there, 'cpu': dict(model='A', cores=2)}, 'cpu') == []
    assert unlike_machines(grid, {**there, 'packages': dict(torch='2.13')}, 'cpu') == []
    here = dict(cpu=dict(model='B'), packages=dict(torch='2.11', pandas='3'), gpus=['H'])
    assert unlike_machines(grid, here, 'cpu') == ['the processor (A there, B here)', 'torch (2.13 there, 2.11 here)']
    assert unlike_machines(grid, here, 'cuda')[:2] == [
        'the device (cpu there, cuda here)',
        "the GPU ([] there, ['H'] here)",
    ]


def test_a_stage_that_fails_now_is_told_and_the_cell_does_not_hold(synthetic_out, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise StageFailed('attention__seed1 fails now (ZeroDivisionError); the end of its log:\nTraceback')

    monkeypatch.setattr(verifying, 'plan_again', lambda *_: None)
    monkeypatch.setattr(verifying, 'changes_of_work', lambda *_: ['train (torch)'])
    monkeypatch.setattr(verifying, 'run_again', fail)
    assert verify(synthetic_out, 'attention__seed1', Ways(tmp_path, 'cpu', 1)) is False
    said = capsys.readouterr().out
    assert 'note: not the same work as that of the record: other keys of train (torch)' in said
    assert 'attention__seed1 does not come out again: attention__seed1 fails now (ZeroDivisionError)' in said


def test_of_a_tuned_cell_it_is_said_that_values_are_not_chosen_again(synthetic_out, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise StageFailed('fails')

    grid, record = recorded_cell(synthetic_out, CELL)
    tuned = {**record, 'keys': {**record['keys'], 'select': 'choice'}}
    monkeypatch.setattr(verifying, 'plan_again', lambda *_: None)
    monkeypatch.setattr(verifying, 'changes_of_work', lambda *_: [])
    monkeypatch.setattr(verifying, 'run_again', fail)
    for one, said in ((record, False), (tuned, True)):
        monkeypatch.setattr(verifying, 'recorded_cell', lambda *_, one=one: (grid, one))
        verify(synthetic_out, CELL, Ways(tmp_path, 'cpu', 1))
        assert ('note: the values that were chosen' in capsys.readouterr().out) is said
