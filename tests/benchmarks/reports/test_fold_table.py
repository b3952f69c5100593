"""The report of a grid in folds: scores of all images together, folds as a source of variance, failures by fold."""

import pandas as pd
import pytest

from benchmarks.reports.report import make_report
from benchmarks.reports.results import read_results
from benchmarks.reports.table import comparison_table, stack_table

SCORES = ['dice', 'mdice', 'miou', 'boundary_iou', 'hd95_px', 'nsd', 'assd_px', 'n_images', 'n_groups', 'n_seeds']


@pytest.fixture(scope='module')
def whole(synthetic_writer, tmp_path_factory):
    return synthetic_writer(tmp_path_factory.mktemp('whole'), failed=())


@pytest.fixture(scope='module')
def folded(folded_writer, tmp_path_factory):
    return folded_writer(tmp_path_factory.mktemp('folded'))


def test_scores_are_those_of_one_test_on_all_images(whole, folded):
    ours, theirs = (stack_table(read_results(out)) for out in (folded, whole))
    pd.testing.assert_frame_equal(ours[SCORES], theirs[SCORES])
    assert (ours['status'] == 'ok').all()


def test_differences_are_the_same_and_less_certain(whole, folded):
    ours, theirs = (comparison_table(read_results(out)) for out in (folded, whole))
    pd.testing.assert_series_equal(ours['delta'], theirs['delta'])
    assert (ours['high'] - ours['low'] >= theirs['high'] - theirs['low'] - 1e-9).all()
    assert 'share_of_folds' in ours and 'share_of_folds' not in theirs
    assert ((ours['share_of_folds'] >= 0) & (ours['share_of_folds'] <= 1)).all()
    for name in ('checkpoints_low', 'checkpoints_high'):
        pd.testing.assert_series_equal(ours[name], theirs[name])


def test_training_sets_that_matter_take_the_verdict_back(folded_writer, tmp_path, folded):
    moved = folded_writer(tmp_path, level_of_fold=lambda fold: (-0.1, 0.1)[fold % 2])
    before, after = (
        comparison_table(read_results(out)).query('stack == "attention+loss" and reference == "baseline"').iloc[0]
        for out in (folded, moved)
    )
    assert before['verdict'] == 'gain' and after['verdict'] == 'undecided'
    assert after['share_of_folds'] > 0.8 and after['limited_by'] in ('folds', 'groups')


def test_the_report_tells_folds_and_seeds_apart(folded):
    text = make_report(folded).read_text()
    assert (
        '4 folds: each seed tests every image once, by a network that was trained on 6 images of other groups' in text
    )
    assert 'over image groups, training sets and seeds' in text
    section = text.partition('## Folds and seeds')[2].partition('## ')[0]
    assert '| row | against | fold 0 | 1 | 2 | 3 | due to seeds | due to folds | due to groups |' in section
    assert section.count('\n| + ') == 3


def test_a_fold_that_failed_takes_its_seed_away(folded_writer, tmp_path):
    out = folded_writer(tmp_path, failed=('attention__seed1__fold2',))
    row = stack_table(read_results(out)).iloc[1]
    assert row['n_seeds'] == 2 and row['status'] == 'failed: out_of_memory (1 of 3)'
    assert 'attention__seed1: out_of_memory in train: fold 2: needs 99 GiB' in make_report(out).read_text()


def test_a_network_that_has_learned_nothing_in_one_fold_is_told(folded_writer, tmp_path):
    out = folded_writer(tmp_path, level_of_fold=lambda fold: 0.0)
    results = read_results(out)
    of_folds = {name: dict(one, train=dict(one['train'])) for name, one in results.of_folds.items()}
    of_folds['attention__seed0__fold3']['train']['best_constant'] = dict(steps=3, loss=0.7, constant=0.5)
    row = stack_table(results._replace(of_folds=of_folds)).iloc[1]
    assert (row['seeds_not_learned'], row['not_learned_by']) == (1, 'loss')
    assert results._replace(of_folds=of_folds).learned_nowhere == set()
    for fold in range(3):
        of_folds[f'attention__seed0__fold{fold}']['train']['best_constant'] = dict(steps=3, loss=0.7, constant=0.5)
    assert results._replace(of_folds=of_folds).learned_nowhere == {'attention__seed0'}


def test_a_report_without_folds_says_nothing_of_them(whole):
    assert 'fold' not in make_report(whole).read_text().lower()
