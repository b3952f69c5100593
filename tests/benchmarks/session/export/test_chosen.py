"""Which cell of a row is exported, and what cannot be."""

import json
import shutil

import pytest

from benchmarks.errors import BadInput
from benchmarks.session.export.chosen import chosen_cell, weights_step


def test_a_row_gives_its_first_seed_with_a_result(synthetic_out, synthetic_writer, tmp_path):
    assert chosen_cell(synthetic_out, 'attention+loss')[1]['cell'] == 'attention+loss__seed0'
    out = synthetic_writer(tmp_path, failed=('attention__seed0',))
    assert chosen_cell(out, 'attention')[1]['seed'] == 1


def test_a_cell_gives_itself(synthetic_out):
    assert chosen_cell(synthetic_out, 'attention__seed1')[1]['seed'] == 1


def test_seeds_are_ordered_as_numbers(synthetic_writer, tmp_path):
    out = synthetic_writer(tmp_path, seeds=(10, 9))
    assert chosen_cell(out, 'baseline')[1]['seed'] == 9


def test_of_a_grid_with_folds_the_first_one(folded_writer, tmp_path):
    assert chosen_cell(folded_writer(tmp_path), 'baseline')[1]['cell'] == 'baseline__seed0__fold0'


@pytest.mark.parametrize(
    'wanted, said',
    [
        ('atention', "no row 'atention'; did you mean 'attention'"),
        ('attention__seed2', 'no cell of attention__seed2 has a result .attention__seed2: out_of_memory .needs 99 GiB'),
    ],
)
def test_what_has_no_result_is_refused(synthetic_out, wanted, said):
    with pytest.raises(BadInput, match=said):
        chosen_cell(synthetic_out, wanted)


def test_a_stack_under_a_condition_is_refused_and_the_clean_one_named(synthetic_out, tmp_path):
    out = shutil.copytree(synthetic_out, tmp_path / 'out')
    grid = json.loads((out / 'grid.json').read_text()) | dict(conditions=['loss'])
    (out / 'grid.json').write_text(json.dumps(grid))
    with pytest.raises(BadInput, match='loss changes the test images.*export attention, which has the same weights'):
        chosen_cell(out, 'attention+loss')


def test_an_ensembles_weights_are_the_joint_ones():
    assert weights_step(dict(keys={'train 1': 'a', 'train 2': 'b', 'train': 'a', 'combine': 'c'})) == ('combine', 'c')
    assert weights_step(dict(keys={'train': 'a', 'refine': None})) == ('train', 'a')
