"""Lints of a training's course: each catches its planted fault, and stays silent on a clean training."""

import numpy as np
import pytest

from benchmarks.analysis.training_course import exploding, fall_at_the_end, nearly_out_of_gpu, of_several, vanishing

PLACE = np.arange(10)


def curve(tau, noise=0.0, seed=0, floor=0.2):
    """A loss that falls from 1.2 towards ``floor`` within about ``tau`` tenths of the training."""
    return floor + np.exp(-PLACE / tau) + noise * np.random.default_rng(seed).normal(size=10)


@pytest.mark.parametrize('loss', [curve(4), curve(10), 1 - PLACE / 20, curve(4) - 3])
def test_a_loss_that_is_still_falling(loss):
    assert 0.1 <= fall_at_the_end([loss.tolist()]) <= 1
    assert fall_at_the_end([(100 * loss).tolist()]) == pytest.approx(fall_at_the_end([loss.tolist()]))  # no unit


def test_the_part_of_the_fall_by_hand():
    assert fall_at_the_end([[9.0, 8, 7, 6, 5, 4, 3, 2, 1, 0]]) == pytest.approx(4 / 9)


@pytest.mark.parametrize(
    'loss',
    [
        curve(1),  # it has converged
        np.ones(10),
        -curve(4),  # it rises
        np.where(PLACE < 6, 1.0, 0.5),  # it fell in a step, as where the learning rate drops
        np.where(PLACE < 9, curve(4), 1.0),  # it rises at the end
    ],
)
def test_a_loss_that_is_not_falling_at_the_end(loss):
    assert fall_at_the_end([loss.tolist()]) is None


@pytest.mark.parametrize('noise', [0.01, 0.05, 0.3])
@pytest.mark.parametrize('loss', [np.ones(10), curve(1)])
def test_flat_noisy_losses_are_silent(loss, noise):
    rng = np.random.default_rng(0)
    told = sum(fall_at_the_end([(loss + noise * rng.normal(size=10)).tolist()]) is not None for _ in range(1000))
    assert told <= 12


def test_seeds_are_averaged_and_briefer_trainings_are_not_judged():
    noisy = [curve(4, 0.05, seed).tolist() for seed in range(10)]
    assert fall_at_the_end(noisy) is not None
    assert fall_at_the_end([[1.0, 0.5]]) is None and fall_at_the_end([]) is None


def norm(**changed):
    return dict(updates=100, median=1.0, largest=5.0, first=3.0, last=0.5) | changed


def test_gradients():
    assert not exploding(norm()) and not vanishing(norm())
    assert exploding(norm(largest=101.0)) and not exploding(norm(largest=99.0))
    assert vanishing(norm(last=1e-5)) and vanishing(norm(first=0.0, last=0.0)) and not vanishing(norm(last=1e-3))


def test_a_gpu_that_is_nearly_full():
    full = dict(peak_reserved_mib=950.0, device_memory_mib=1000.0)
    cells = dict(a=full, b=full | dict(peak_reserved_mib=800.0), cpu=dict(peak_reserved_mib=None), old=dict())
    assert nearly_out_of_gpu(cells) == dict(a=0.95)


def test_networks_that_predict_together():
    first = dict(loss_by_tenth=[2.0, 1.0], loss_spikes=1, grad_norm=norm())
    second = dict(loss_by_tenth=[4.0, 2.0], loss_spikes=2, grad_norm=norm(largest=9.0))
    rates = [dict(lr_by_tenth=[0.2, 0.1]), dict(lr_by_tenth=[0.4, 0.1])]
    assert of_several(rates) == dict(lr_by_tenth=pytest.approx([0.3, 0.1]))
    assert of_several([first, second]) == dict(loss_by_tenth=[3.0, 1.5], loss_spikes=3, grad_norm=second['grad_norm'])
    assert of_several([first, dict(loss_spikes=0)]) == dict(loss_by_tenth=None, loss_spikes=1, grad_norm=None)
    assert of_several([first, first | dict(loss_by_tenth=[1.0])])['loss_by_tenth'] is None
    assert of_several([{}, {}]) == {}
