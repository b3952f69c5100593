"""Each sign in the course of a training is told from its planted fault; steady trainings say nothing."""

import pytest

from benchmarks.reports.results import read_results
from benchmarks.reports.training_cautions import training_cautions

CONVERGED = [1.0, 0.4, 0.3, 0.26, 0.25, 0.25, 0.24, 0.25, 0.24, 0.25]
FALLING = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
NORM = dict(updates=150, median=1.0, largest=9.0, first=4.0, last=0.3)
STEADY = dict(loss_by_tenth=CONVERGED, loss_spikes=0, grad_norm=NORM, device_memory_mib=8192.0)


@pytest.fixture
def results(synthetic_out):
    """The records of a clean grid with the courses of its trainings, to be spoilt by a test."""
    results = read_results(synthetic_out)
    for cell, record in results.records.items():
        record['keys']['train'] = cell
        if record['train']:
            record['train'] |= STEADY
    return results


def spoil(results, *cells, **changed):
    for cell in cells:
        results.records[cell]['train'] |= changed


def test_steady_trainings_and_records_without_these_facts_say_nothing(results, synthetic_out):
    assert list(training_cautions(results)) == []
    assert list(training_cautions(read_results(synthetic_out))) == []


@pytest.mark.parametrize(
    'changed, expected',
    [
        (dict(loss_spikes=2), 'the loss of “+ attention” jumped far above all before it (seed 1: 2 times)'),
        (
            dict(grad_norm=NORM | dict(largest=500.0)),
            'the gradients of “+ attention” exploded in seed 1: the largest norm was 500, the median 1',
        ),
        (
            dict(grad_norm=NORM | dict(last=0.0)),
            'the gradients of “+ attention” vanished in seed 1: their norm went from 4 to 0',
        ),
        (
            dict(peak_reserved_mib=7800.0),
            '1 training held more than 90 % of the 8 GiB of the GPU (attention__seed1: 95 %)',
        ),
    ],
)
def test_an_unsteady_training(results, changed, expected):
    spoil(results, 'attention__seed1', **changed)
    (told,) = training_cautions(results)
    assert told.startswith(expected)


def test_rows_whose_loss_is_still_falling_are_not_comparable_with_the_others(results):
    spoil(results, 'attention__seed0', 'attention__seed1', loss_by_tenth=FALLING)
    (told,) = training_cautions(results)
    assert told.startswith('the loss was still falling at the end of the training') and '“+ attention” (44 %)' in told
    assert 'not comparable with rows whose loss has come to rest' in told and '“+ loss”' not in told


def test_a_control_may_train_too_briefly_on_purpose(results):
    spoil(results, 'attention__seed0', 'attention__seed1', loss_by_tenth=FALLING)
    next(row for row in results.grid['rows'] if row['stack'] == 'attention')['role'] = 'control'
    assert list(training_cautions(results)) == []


def test_where_all_losses_fall_the_ranks_are_in_doubt(results):
    spoil(results, *(cell for cell, record in results.records.items() if record['train']), loss_by_tenth=FALLING)
    (told,) = training_cautions(results)
    assert told.startswith('the loss of every training was still falling at its end (44 % of its fall came in the')


def test_a_training_that_rows_share_is_told_once(results):
    for record in results.records.values():
        record['keys']['train'] = f't{record["seed"]}'
    spoil(results, *(cell for cell, record in results.records.items() if record['train']), loss_spikes=1)
    (told,) = training_cautions(results)
    assert told.startswith(
        'the loss of “baseline” jumped far above all before it (seed 0: once, seed 1: once, seed 2: '
    )
