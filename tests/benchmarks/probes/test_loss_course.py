"""Tenths and spikes of a loss: by hand, and silent on noise."""

import numpy as np
import pytest

from benchmarks.probes.loss_course import WINDOW, loss_spikes, mean_by_tenth


def falling(steps=1000, noise=0.1, seed=0):
    """A loss as trainings have it: it falls to 0.1, and batches differ by ``noise`` of its level."""
    fall = 0.1 + np.exp(-np.arange(steps) / (steps / 8))
    return fall * np.exp(noise * np.random.default_rng(seed).normal(size=steps))


def test_tenths_by_hand():
    assert mean_by_tenth(np.arange(25.0)) == [1, 4, 7, 10, 13, 15.5, 17.5, 19.5, 21.5, 23.5]
    assert mean_by_tenth(np.array([3.0, 1.0])) == [3.0, 1.0] and mean_by_tenth(np.zeros(0)) == []


@pytest.mark.parametrize('at', [WINDOW, 300, 999])
def test_a_spike_is_counted_once(at):
    losses = falling()
    losses[at : at + 3] *= 20
    assert loss_spikes(losses) == 1


def test_spikes_apart_are_counted_apart():
    losses = falling()
    losses[[200, 400, 401, 700]] += 9
    assert loss_spikes(losses) == 3


@pytest.mark.parametrize(
    'losses',
    [
        falling(noise=0.3),
        np.random.default_rng(1).exponential(size=20_000),  # many batches without foreground
        -falling(noise=0.3),  # a loss below 0
        np.ones(100),
        np.linspace(0, 1, 500),  # a term that is ramped up
        np.tile([0.01, 0.01, 0.01, 0.01, 0.5], 200),  # a batch in five is hard
        np.zeros(200),
    ],
)
def test_no_spike(losses):
    assert loss_spikes(losses) == 0


def test_a_loss_that_a_schedule_switches_on_is_one_jump():
    assert loss_spikes(np.repeat([0.1, 0.9], 500) + 0.01 * np.random.default_rng(0).normal(size=1000)) == 1


def test_a_short_training_is_not_judged_and_a_long_one_takes_its_parts_alike():
    assert loss_spikes(falling(steps=WINDOW)) is None
    losses = falling(steps=25_000)
    losses[[9_999 + WINDOW, 10_000 + WINDOW, 24_999]] += 99
    assert loss_spikes(losses) == 2
