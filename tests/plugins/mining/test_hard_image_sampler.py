"""Hard images are drawn more often: by how much, from when on, and reproducibly."""

import itertools

import numpy as np
import pytest
from mmengine.runner import Runner
from mmseg.registry import DATA_SAMPLERS
from torch.utils.data import DataLoader

from plugins.datasets.paired import PairedSampler
from plugins.mining.hard_image_sampler import HardImageSampler, image_probabilities

NAN = float('nan')


def drawn(sampler, n):
    return [(int(draw), draw.position) for draw in itertools.islice(sampler, n)]


def sampler_with(losses, seed=3, **changes):
    sampler = HardImageSampler(range(len(losses)), seed, **changes)
    for index, loss in enumerate(losses):
        sampler.update(index, loss)
    return sampler


@pytest.mark.parametrize(
    'losses, mix, expected',
    [
        ([1.0, 3.0], 1.0, [0.25, 0.75]),
        ([1.0, 3.0], 0.5, [0.375, 0.625]),
        ([1.0, 3.0], 0.0, [0.5, 0.5]),
        ([1.0, 3.0, NAN], 1.0, [1 / 6, 3 / 6, 2 / 6]),
        ([0.0, 5.0, NAN, NAN], 0.2, [0.2, 0.2 + 0.2 * 0.5, 0.25, 0.25]),
        ([NAN, NAN, NAN], 0.9, [1 / 3] * 3),
        ([0.0, 0.0, NAN], 0.9, [1 / 3] * 3),
    ],
)
def test_probabilities_by_hand(losses, mix, expected):
    found = image_probabilities(np.array(losses), mix)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found.sum() == pytest.approx(1, rel=1e-12)


def test_images_are_drawn_as_often_as_their_probability_says():
    losses = [0.2, 1.0, 0.0, 4.0, 2.0]
    sampler = sampler_with(losses, mix=0.7)
    indices = [index for index, _ in drawn(sampler, 20005)][5:]
    found = np.bincount(indices, minlength=5) / 20000
    np.testing.assert_allclose(found, image_probabilities(np.array(losses), 0.7), atol=0.012)
    assert sampler.acted == 20000


def test_the_first_pass_is_the_paired_one_whatever_is_known():
    plain = drawn(PairedSampler(range(6), 3), 6)
    sampler = sampler_with([9.0, 1.0, 1.0, 1.0, 1.0, 1.0], mix=1.0)
    assert drawn(sampler, 6) == plain and sampler.acted == 0


def test_the_seed_and_the_losses_decide_alone():
    losses = [0.2, 1.0, 0.5, 4.0]
    first = drawn(sampler_with(losses), 50)
    np.random.rand(3)
    assert drawn(sampler_with(losses), 50) == first != drawn(sampler_with(losses, seed=4), 50)
    assert [position for _, position in first] == list(range(50))
    assert drawn(sampler_with([4.0, 0.2, 1.0, 0.5]), 50) != first


def test_a_draw_sees_the_losses_of_its_time():
    sampler = HardImageSampler(range(3), 0, mix=1.0, momentum=0.0)
    draws = iter(sampler)
    list(itertools.islice(draws, 3))
    for hard in (1, 2, 0, 2):
        for index in range(3):
            sampler.update(index, float(index == hard))
        assert {int(draw) for draw in itertools.islice(draws, 10)} == {hard}
    assert sampler.acted == 40


def test_uniform_draws_are_not_counted():
    for sampler in (
        HardImageSampler(range(4), 0),
        sampler_with([2.0] * 4),
        sampler_with([1.0, 2.0, 3.0, 4.0], mix=0.0),
        sampler_with([0.1, 0.1, 0.1, NAN]),
    ):
        drawn(sampler, 40)
        assert sampler.acted == 0


def test_losses_run():
    sampler = HardImageSampler(range(2), 0, momentum=0.75)
    for loss in (4.0, 8.0, 0.0, NAN, float('inf')):
        sampler.update(0, loss)
    assert sampler.losses[0] == 0.75 * (0.75 * 4.0 + 0.25 * 8.0) and np.isnan(sampler.losses[1])
    with pytest.raises(ValueError, match='loss -0.5 of image 1'):
        sampler.update(1, -0.5)


def test_resuming_goes_on_where_it_stopped():
    losses = [0.2, 1.0, 0.5, 4.0]
    whole = drawn(sampler_with(losses), 30)
    resumed = HardImageSampler(range(4), 3)
    resumed.restore(sampler_with(losses).losses)
    resumed.skip(11)
    assert drawn(resumed, 19) == whole[11:]
    with pytest.raises(ValueError, match='3 images, the data set has 4'):
        resumed.restore(np.ones(3))


def test_ranks_share_the_draws_of_one_process(monkeypatch):
    losses = [0.2, 1.0, 0.5, 4.0, 0.1]
    whole = drawn(sampler_with(losses), 24)
    parts = []
    for rank in (0, 1):
        monkeypatch.setattr('plugins.datasets.paired.get_dist_info', lambda rank=rank: (rank, 2))
        parts.append(drawn(sampler_with(losses), 12))
    assert parts[0] == whole[::2] and parts[1] == whole[1::2]


def test_one_epoch_at_a_time():
    losses = [0.2, 1.0, 0.5, 4.0, 0.1]
    whole = drawn(sampler_with(losses), 15)
    sampler, found = sampler_with(losses, infinite=False), []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        assert len(list(sampler)) == len(sampler) == 5
        found += drawn(sampler, None)
    assert found == whole


def test_ranks_have_epochs_of_equal_length(monkeypatch):
    losses = [0.2, 1.0, 0.5, 4.0, 0.1, 0.3, 2.0, 1.0, 0.7]
    ranks = []
    for rank in (0, 1):
        monkeypatch.setattr('plugins.datasets.paired.get_dist_info', lambda rank=rank: (rank, 2))
        ranks.append(sampler_with(losses, infinite=False))
    found = []
    for epoch in range(3):
        for sampler in ranks:
            sampler.set_epoch(epoch)
        parts = [drawn(sampler, None) for sampler in ranks]
        assert [len(part) for part in parts] == [len(sampler) for sampler in ranks] == [5, 5]
        found += [draw for same_time in zip(*parts) for draw in same_time]
    assert [position for _, position in found] == list(range(30))
    monkeypatch.setattr('plugins.datasets.paired.get_dist_info', lambda: (0, 1))
    endless = drawn(sampler_with(losses), 30)
    assert found[:9] == endless[:9] and found[9] == (found[0][0], 9)  # the first pass begins again
    assert found[10:] == endless[10:] and sum(sampler.acted for sampler in ranks) == 20


def as_it_is(batch):
    return batch


@pytest.mark.parametrize('workers', [0, 2])
def test_loader_workers_draw_ahead_from_what_was_known_then(workers):
    def run():
        sampler = HardImageSampler(range(8), 0, mix=1.0, momentum=0.0)
        loader = DataLoader(range(8), batch_size=4, sampler=sampler, num_workers=workers, collate_fn=as_it_is)
        batches = []
        for batch in itertools.islice(loader, 14):
            batches.append(batch)
            for index in range(8):
                sampler.update(index, float(index == 5))
        return batches, sampler.acted

    batches, acted = run()
    ahead = 2 * workers  # batches: the loader's prefetch factor times its workers
    assert sorted(batches[0] + batches[1]) == list(range(8))
    known = batches[max(2, 1 + ahead) :]
    assert all(batch == [5] * 4 for batch in known) and len(known) >= 9
    assert acted >= 4 * len(known)
    assert run() == (batches, acted)


@pytest.mark.parametrize(
    'bad, message',
    [
        (dict(mix=1.5), 'mix=1.5'),
        (dict(mix=-0.1), 'mix=-0.1'),
        (dict(momentum=1.0), 'momentum=1.0'),
        (dict(momentum=-0.1), 'momentum'),
    ],
)
def test_refuses_bad_parameters(bad, message):
    with pytest.raises(ValueError, match=message):
        HardImageSampler(range(3), 0, **bad)


def test_mmengines_runner_builds_it_with_its_seed():
    config = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='mmseg.HardImageSampler', mix=0.3),
        dataset=range(5),
        collate_fn=dict(type='pseudo_collate'),
    )
    loader = Runner.build_dataloader(config, seed=4)
    assert isinstance(loader.sampler, HardImageSampler) and loader.sampler.yields_draws
    assert (loader.sampler.seed, loader.sampler.mix) == (4, 0.3) and DATA_SAMPLERS.get('HardImageSampler')
