"""The n-th sample of a run is the same in every arm, whatever else an arm draws."""

import copy
import itertools
import pickle
import random

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine.dataset import DefaultSampler
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmseg.registry import DATASETS, TRANSFORMS
from PIL import Image
from torch.utils.data import DataLoader

from plugins.datasets.paired import Draw, PairedDataset, PairedSampler, isolated_random_state, seed_transforms, stream

IMAGES = 5


class NotesItsDraws(BaseTransform):
    """Writes down what it draws from the three global generators."""

    def __init__(self, draws=1):
        self.draws = draws

    def transform(self, results):
        for _ in range(self.draws):
            drawn = random.random(), float(np.random.rand()), float(torch.rand(()))
            results.setdefault('drawn', []).append((type(self).__name__, *drawn))
        return results


@TRANSFORMS.register_module(force=True)
class NotesFirst(NotesItsDraws):
    """A transform of the baseline."""


@TRANSFORMS.register_module(force=True)
class NotesLast(NotesItsDraws):
    """Another transform of the baseline."""


@TRANSFORMS.register_module(force=True)
class NotesExtra(NotesItsDraws):
    """What a technique adds."""


PLAIN = [dict(type='NotesFirst'), dict(type='NotesLast')]
LONGER = [dict(type='NotesFirst'), dict(type='NotesExtra', draws=3), dict(type='NotesLast')]


@pytest.fixture
def leaf(tmp_path):
    """Config of a data set of five images, none of which is ever decoded."""
    (tmp_path / 'img').mkdir()
    for n in range(IMAGES):
        (tmp_path / 'img' / f'{n}.png').touch()
    return dict(
        type='BaseSegDataset',
        data_root=str(tmp_path),
        data_prefix=dict(img_path='img'),
        img_suffix='.png',
        metainfo=dict(classes=('a',)),
        pipeline=PLAIN,
    )


def paired(config, **changes):
    with DefaultScope.overwrite_default_scope('mmseg'):
        return DATASETS.build(dict(type='PairedDataset', dataset=copy.deepcopy(dict(config, **changes))))


def as_it_is(batch):
    return batch


def samples(dataset, n=12, seed=0, workers=0, **sampler):
    """The first n samples as (image, what was drawn for it)."""
    loader = DataLoader(
        dataset, batch_size=2, sampler=PairedSampler(dataset, seed, **sampler), num_workers=workers, collate_fn=as_it_is
    )
    found = itertools.islice(itertools.chain.from_iterable(loader), n)
    return [(sample['img_path'], sample['drawn']) for sample in found]


def without_extra(found):
    return [(path, [one for one in drawn if one[0] != 'NotesExtra']) for path, drawn in found]


def test_every_sample_draws_something_of_its_own(leaf):
    found = samples(paired(leaf))
    numbers = [number for _, drawn in found for one in drawn for number in one[1:]]
    assert len(set(numbers)) == 12 * 2 * 3
    assert [path for path, _ in found[:5]] != [path for path, _ in found[5:10]]
    assert {path for path, _ in found[:5]} == {path for path, _ in found[5:10]}
    assert len({path for path, _ in found[:5]}) == 5


def test_the_seed_decides_alone(leaf):
    first = samples(paired(leaf))
    torch.rand(3), np.random.rand(2), random.random()
    assert samples(paired(leaf)) == first
    assert samples(paired(leaf), seed=1) != first


def test_the_number_of_workers_does_not_matter(leaf):
    assert samples(paired(leaf), workers=2) == samples(paired(leaf), workers=0)


def test_what_a_technique_draws_leaves_the_other_transforms_as_they_were(leaf):
    plain, longer = samples(paired(leaf)), samples(paired(leaf, pipeline=LONGER))
    assert [len(drawn) for _, drawn in longer] == [5] * 12
    assert without_extra(longer) == plain


def test_two_transforms_of_one_type_draw_apart(leaf):
    for _, drawn in samples(paired(leaf, pipeline=[dict(type='NotesFirst'), dict(type='NotesFirst')])):
        assert drawn[0] != drawn[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    'wrap',
    [
        lambda leaf: dict(type='RepeatDataset', times=3, dataset=leaf),
        lambda leaf: dict(type='ConcatDataset', datasets=[leaf, leaf]),
        lambda leaf: dict(type='RepeatDataset', times=2, dataset=dict(type='ConcatDataset', datasets=[leaf, leaf])),
    ],
    ids=['repeated', 'concatenated', 'both'],
)
def test_wrappers_are_looked_through(leaf, wrap):
    plain, longer = paired(wrap(leaf)), paired(wrap(dict(leaf, pipeline=LONGER)))
    assert len(plain) > IMAGES
    expected = samples(plain, n=30)
    assert without_extra(samples(longer, n=30)) == expected
    assert len({str(drawn) for _, drawn in expected}) == 30


@TRANSFORMS.register_module(force=True)
class NotesMixed(NotesItsDraws):
    """Mixes another image in, and notes which and what was drawn for it."""

    def get_indices(self, dataset):
        return [random.randrange(len(dataset))]

    def transform(self, results):
        (mixed,) = results['mix_results']
        results['drawn'] = results['drawn'] + [('mixed', mixed['img_path'], mixed['drawn'])]
        return super().transform(results)


def mixed(leaf, *outer, **changes):
    return paired(
        dict(
            type='MultiImageMixDataset',
            dataset=dict(leaf, **changes),
            pipeline=[dict(type='NotesMixed'), dict(type='NotesFirst'), *outer],
        )
    )


def test_each_call_for_one_sample_has_draws_of_its_own(leaf):
    found = samples(mixed(leaf), n=20)
    for (_, drawn), (_, plain) in zip(found, samples(paired(leaf), n=20)):
        assert drawn[:2] == plain  # the first call draws what it draws unmixed
        numbers = [number for one in (*drawn[:2], *drawn[2][2], *drawn[3:]) for number in one[1:]]
        assert len(numbers) == len(set(numbers)) == 3 * 6
    assert len({drawn[2][1] for _, drawn in found}) > 2


@pytest.mark.slow
def test_a_mixing_pipeline_is_paired_whatever_a_technique_draws(leaf):
    plain = samples(mixed(leaf), n=20)
    outer = [(path, [drawn[2][1], *drawn[3:]]) for path, drawn in plain]
    longer = samples(mixed(leaf, pipeline=LONGER), n=20)
    assert [(path, [drawn[5][1], *drawn[6:]]) for path, drawn in longer] == outer
    more = samples(mixed(leaf, dict(type='NotesExtra', draws=2)), n=20)
    assert without_extra(more) == plain
    twice = samples(mixed(leaf, dict(type='NotesMixed')), n=20)
    assert [(path, drawn[:5]) for path, drawn in twice] == plain
    assert samples(mixed(leaf), n=20, workers=2) == plain


def test_the_same_draw_gives_the_same_sample_again(leaf):
    dataset, draw = mixed(leaf), Draw(2, 7, 0)
    assert dataset[draw]['drawn'] == dataset[draw]['drawn'] != dataset[Draw(2, 8, 0)]['drawn']


def test_real_augmentations_are_paired(tmp_path, leaf):
    rng = np.random.default_rng(0)
    for n in range(IMAGES):
        Image.fromarray(rng.integers(0, 256, (12, 14, 3), np.uint8)).save(tmp_path / 'img' / f'{n}.png')
    crop, flip = dict(type='RandomCrop', crop_size=(6, 6)), dict(type='RandomFlip', prob=0.5)
    load, blank = dict(type='LoadImageFromFile'), dict(type='Labels')

    @TRANSFORMS.register_module(force=True)
    class Labels(BaseTransform):
        def transform(self, results):
            return dict(results, gt_seg_map=np.zeros(results['img'].shape[:2], np.uint8), seg_fields=['gt_seg_map'])

    def images(*pipeline):
        dataset = paired(leaf, pipeline=list(pipeline))
        return [dataset[draw]['img'] for draw in itertools.islice(PairedSampler(dataset, 0), 10)]

    plain = images(load, blank, crop, flip)
    np.testing.assert_array_equal(plain, images(load, blank, crop, dict(type='NotesExtra', draws=2), flip))
    assert (np.array(plain) != images(load, blank, crop, dict(type='PhotoMetricDistortion'), flip)).any()


def test_the_global_generators_are_left_as_they_were(leaf):
    dataset = paired(leaf)
    sampler = iter(PairedSampler(dataset, 0))
    seed_transforms(5)
    expected = random.random(), np.random.rand(), torch.rand(3).tolist()
    seed_transforms(5)
    for draw in itertools.islice(sampler, 7):
        dataset[draw]
    assert (random.random(), np.random.rand(), torch.rand(3).tolist()) == expected
    with pytest.raises(ZeroDivisionError), isolated_random_state():
        seed_transforms(9)
        raise ZeroDivisionError
    after = random.random()
    seed_transforms(5)
    random.random()
    assert random.random() == after


def test_generators_of_other_devices_are_not_seeded(leaf, monkeypatch):
    """The model draws from them (dropout); each sample would set them back."""
    seeded = []
    for backend in (torch.cuda, torch.xpu, torch.mps):
        monkeypatch.setattr(backend, 'manual_seed' if backend is torch.mps else 'manual_seed_all', seeded.append)
    torch.manual_seed(3)
    assert 3 in seeded  # this is what would tell
    seeded.clear()
    dataset = paired(leaf)
    for draw in itertools.islice(PairedSampler(dataset, 0), 3):
        dataset[draw]
    assert not seeded


def test_a_plain_index_is_refused_with_the_cure(leaf):
    dataset = paired(leaf)
    with pytest.raises(TypeError, match='PairedSampler'):
        dataset[0]
    assert dataset[Draw(0, 3, 0)]['drawn'] == dataset[Draw(0, 3, 0)]['drawn'] != dataset[Draw(0, 4, 0)]['drawn']


def test_the_wrapper_speaks_for_what_it_wraps(leaf):
    dataset = paired(leaf)
    dataset.full_init()
    assert isinstance(dataset, PairedDataset) and len(dataset) == IMAGES and dataset.metainfo['classes'] == ('a',)
    assert dataset.get_data_info(2)['img_path'].endswith('2.png')


def test_draws_travel_between_processes():
    draw = pickle.loads(pickle.dumps(Draw(3, 17, 2)))
    assert (draw, draw.position, draw.seed) == (3, 17, 2) and isinstance(draw, Draw)


def drawn(sampler, n=None):
    return [(int(draw), draw.position) for draw in itertools.islice(sampler, n)]


def test_epochs_one_by_one_are_the_endless_order():
    data = range(7)
    endless = drawn(PairedSampler(data, 3), 21)
    sampler = PairedSampler(data, 3, infinite=False)
    by_epoch = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        assert len(sampler) == len(list(sampler)) == 7
        by_epoch += drawn(sampler)
    assert by_epoch == endless and [position for _, position in endless] == list(range(21))
    orders = [tuple(index for index, _ in endless[start : start + 7]) for start in (0, 7, 14)]
    assert all(sorted(order) == list(data) for order in orders) and len(set(orders)) == 3


def test_without_shuffling_the_order_is_the_data_sets():
    assert [index for index, _ in drawn(PairedSampler(range(3), 0, shuffle=False), 7)] == [0, 1, 2, 0, 1, 2, 0]


def of_ranks(monkeypatch, world, *args, **settings):
    samplers = []
    for rank in range(world):
        monkeypatch.setattr('plugins.datasets.paired.get_dist_info', lambda rank=rank: (rank, world))
        samplers.append(PairedSampler(*args, **settings))
    return samplers


@pytest.mark.parametrize('infinite, images', [(True, 5), (False, 6)])
def test_ranks_share_the_samples_of_one_process(monkeypatch, infinite, images):
    whole = drawn(PairedSampler(range(images), 1, infinite=infinite), 10)
    ranks = of_ranks(monkeypatch, 2, range(images), 1, infinite=infinite)
    assert [len(rank) for rank in ranks] == [3, 2 if infinite else 3]
    parts = [drawn(rank, 5) for rank in ranks]
    assert sorted(parts[0] + parts[1], key=lambda pair: pair[1])[: len(whole)] == whole
    assert [position for _, position in parts[1]] == [position for _, position in whole[1::2]]


@pytest.mark.parametrize('images, world', [(9, 2), (9, 4), (2, 5), (8, 4)])
def test_ranks_have_epochs_of_equal_length(monkeypatch, images, world):
    """Or the ranks with a batch more would wait for the others for ever."""
    ranks = of_ranks(monkeypatch, world, range(images), 3, infinite=False)
    each, positions = -(-images // world), []
    for epoch in range(2):
        for rank in ranks:
            rank.set_epoch(epoch)
        parts = [drawn(rank) for rank in ranks]
        assert [len(part) for part in parts] == [len(rank) for rank in ranks] == [each] * world
        order = [index for same_time in zip(*parts) for index, _ in same_time]
        assert sorted(order[:images]) == list(range(images))
        assert order[images:] == (order[:images] * world)[: len(order) - images]
        positions += [position for same_time in zip(*parts) for _, position in same_time]
        ranks[0].skip(each - 1)
        assert drawn(ranks[0]) == parts[0][-1:]
        ranks[0].skip(0)
    assert positions == list(range(2 * each * world))


@pytest.mark.parametrize('images, world', [(9, 2), (2, 5), (8, 4)])
def test_ranks_have_the_images_that_mmengine_gives_them(monkeypatch, images, world):
    ranks = of_ranks(monkeypatch, world, range(images), 0, shuffle=False, infinite=False)
    for rank, ours in enumerate(ranks):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda: (rank, world))
        theirs = DefaultSampler(range(images), shuffle=False, seed=0)
        assert [index for index, _ in drawn(ours)] == list(theirs) and len(ours) == len(theirs)


@pytest.mark.parametrize('rank, world, skipped, first', [(0, 1, 4, 4), (0, 1, 0, 0), (1, 2, 3, 7), (0, 1, 9, 9)])
def test_skipping_starts_later(monkeypatch, rank, world, skipped, first):
    whole = drawn(PairedSampler(range(5), 1), 20)
    monkeypatch.setattr('plugins.datasets.paired.get_dist_info', lambda: (rank, world))
    sampler = PairedSampler(range(5), 1)
    sampler.skip(skipped)
    assert drawn(sampler, 3) == whole[first::world][:3]


def test_an_empty_data_set_is_refused():
    with pytest.raises(ValueError, match='at least one image'):
        PairedSampler([], 0)


def test_streams_of_different_words_are_unrelated():
    words = [(0, 'a', 1), (0, 'a', 2), (1, 'a', 1), (0, 'b', 1), (1, 'a', 0), (0, 1), (1, 0)]
    seeds = [stream(*one) for one in words]
    assert len(set(seeds)) == len(words) and stream(*words[0]) == seeds[0] and all(0 <= seed < 2**32 for seed in seeds)
    uniform = [np.random.RandomState(stream(0, 'a', n)).rand() for n in range(2000)]
    assert abs(np.mean(uniform) - 0.5) < 0.03 and abs(np.corrcoef(uniform[:-1], uniform[1:])[0, 1]) < 0.07


@pytest.mark.parametrize('sampler', [dict(type='PairedSampler'), dict(type='PairedSampler', infinite=False)])
def test_mmengines_runner_builds_the_loader_with_its_seed(leaf, sampler):
    config = dict(
        batch_size=2,
        num_workers=0,
        sampler=sampler,
        dataset=dict(type='PairedDataset', dataset=leaf),
        collate_fn=dict(type='pseudo_collate'),
    )
    with DefaultScope.overwrite_default_scope('mmseg'):
        loader = Runner.build_dataloader(config, seed=4)
    assert loader.sampler.seed == 4 and loader.sampler.yields_draws
    paths = [path for batch in itertools.islice(loader, 2) for path in batch['img_path']]
    assert paths == [path for path, _ in samples(paired(leaf), n=4, seed=4)]
