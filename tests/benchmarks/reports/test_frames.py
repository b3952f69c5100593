"""A grid's results as data frames: every fact once, and what a user computes from them is what the report says."""

import re
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.record import read_grid_json, write_grid
from benchmarks.reports.frames import read_frames
from benchmarks.reports.report import make_report

README = Path(__file__).resolve().parents[3] / 'benchmarks' / 'README.md'


@pytest.fixture
def out(tmp_path, synthetic_writer):
    return synthetic_writer(tmp_path / 'grid')


def test_every_cell_image_class_and_sample_has_a_row(out):
    frames = read_frames(out)
    assert len(frames.cells) == 9 and len(frames.counts) == 8 * 56 * 3
    assert len(frames.profiles) == 3 and len(frames.latencies) == 3 * 30
    assert set(frames.latencies['part']) == {'preprocess', 'views', 'total'}  # no refinement, no sample
    cell = frames.cells.set_index('cell').loc['attention__seed1']
    assert cell['label'] == '+ attention' and cell['train.seconds'] == 61.0 and cell['keys.train'] == 'tattention'
    assert cell['seed'] == 1 and pd.isna(cell['fold'])
    failed = frames.cells.set_index('cell').loc['attention__seed2']
    assert failed['status'] == 'out_of_memory' and pd.isna(failed['train.seconds'])
    assert 'attention__seed2' not in set(frames.counts['cell'])
    image = frames.counts.query("cell == 'baseline__seed0' and image == 'img005' and `class` == 2").iloc[0]
    assert image['group'] == '000' and pd.isna(image['hd95_px']) and image['tp'] > 0


def test_the_example_of_the_page_gives_the_scores_of_the_report(out, monkeypatch):
    """Dice per image, from counts: the mean over a row is the report's number."""
    (code,) = [
        block for block in re.findall(r'```python\n(.*?)```', README.read_text(), re.S) if 'read_frames' in block
    ]
    (out.parent / 'results').mkdir()
    (out.parent / 'results' / 'my_grid').symlink_to(out)
    monkeypatch.chdir(out.parent)
    names: dict = {}
    exec(code, names)
    table = pd.read_csv(make_report(out).with_name('table.csv')).set_index('stack')
    for stack, dice in names['per_row'].items():
        assert dice == pytest.approx(table['dice'][stack], abs=1e-3)


def test_a_grid_without_a_good_cell_has_empty_frames_with_their_columns(tmp_path, synthetic_writer):
    out = synthetic_writer(
        tmp_path, seeds=(0,), failed=[f'{s}__seed0' for s in ('baseline', 'attention', 'attention+loss')]
    )
    frames = read_frames(out)
    assert len(frames.counts) == 0 and {'stack', 'seed', 'image', 'tp'} <= set(frames.counts)
    for path in (out / 'records').iterdir():
        path.unlink()
    empty = read_frames(out)
    assert [len(frame) for frame in empty] == [0, 0, 0, 0] and {'cell', 'stack', 'seed'} <= set(empty.cells)


def test_rows_that_the_grid_no_longer_has_are_left_out(out):
    grid = read_grid_json(out)
    write_grid(out, grid | dict(rows=grid['rows'][:1], comparisons=[]))
    assert set(read_frames(out).cells['stack']) == set(read_frames(out).latencies['stack']) == {'baseline'}


def test_damaged_records_are_named(out):
    (out / 'records' / 'baseline__seed0.json').write_text('{}')
    with pytest.raises(ValueError, match=r"baseline__seed0.json: field 'cell' is missing"):
        read_frames(out)
