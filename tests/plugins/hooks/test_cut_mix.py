"""Rectangles of other images of the batch: pictures small enough to check pixel by pixel."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample

from plugins.hooks.cut_mix import CutMixHook, drawn_box, pasted


def runner(seed=0, step=0):
    return SimpleNamespace(seed=seed, iter=step)


def batch(sizes=((8, 10),) * 5, edges=False):
    """The n-th image is n everywhere, its labels too; the last one's lower half is void."""
    images = [torch.full((3, *size), n, dtype=torch.uint8) for n, size in enumerate(sizes)]
    samples = []
    for n, size in enumerate(sizes):
        labels = torch.full((1, *size), n)
        if n == len(sizes) - 1:
            labels[:, size[0] // 2 :] = 255
        sample = SegDataSample(gt_sem_seg=PixelData(data=labels), metainfo=dict(img_shape=size))
        if edges:
            sample.gt_edge_map = PixelData(data=torch.full((1, *size), 10 + n))
        samples.append(sample)
    return dict(inputs=images, data_samples=samples)


def mixed(data, hook, **where):
    hook.before_train_iter(runner(**where), 0, data_batch=data)
    return data


def test_pixels_and_labels_come_from_the_same_place():
    data = mixed(batch(edges=True), CutMixHook(prob=1.0))
    foreign = 0
    for n, (image, sample) in enumerate(zip(data['inputs'], data['data_samples'])):
        labels, owner = sample.gt_sem_seg.data[0], image[0].long()
        assert torch.equal(sample.gt_edge_map.data[0], 10 + owner)
        void = labels == 255
        assert torch.equal(labels[~void], owner[~void])
        assert (owner[void] == 4).all() and not void[:4].any()
        assert set(owner.unique().tolist()) - {n} and len(owner.unique()) <= 2  # itself, and one partner
        rows, columns = torch.nonzero(owner != n).unbind(1)
        assert (owner[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] != n).all()  # a rectangle
        foreign += len(rows)
    assert foreign > 0


def test_everyone_gives_once_and_nobody_gives_what_it_received():
    data = mixed(batch(), CutMixHook(prob=1.0), step=3)
    partners = [set(image[0].unique().tolist()) - {n} for n, image in enumerate(data['inputs'])]
    assert sorted(partner for found in partners for partner in found) == [0, 1, 2, 3, 4]


def test_the_loaders_own_tensors_are_left_alone():
    data = batch()
    before = [image for image in data['inputs']]
    mixed(data, CutMixHook(prob=1.0))
    assert all((image == n).all() for n, image in enumerate(before))


def test_a_stacked_batch_is_mixed_alike():
    lists, stacked = batch(), batch()
    stacked['inputs'] = torch.stack(stacked['inputs'])
    mixed(lists, CutMixHook(prob=1.0)), mixed(stacked, CutMixHook(prob=1.0))
    assert torch.equal(torch.stack(lists['inputs']), stacked['inputs'])


def test_about_the_asked_share_is_mixed_and_counted():
    hook = CutMixHook(prob=0.3)
    changed = 0
    for step in range(100):
        data = mixed(batch(), hook, step=step)
        changed += sum(bool((image != n).any()) for n, image in enumerate(data['inputs']))
    assert hook.acted == changed and 110 < changed < 190


def test_probability_zero_a_batch_of_one_and_other_sizes_change_nothing():
    hooks = [CutMixHook(prob=0.0), CutMixHook(prob=1.0), CutMixHook(prob=1.0)]
    for hook, sizes in zip(hooks, (((8, 10),) * 5, ((8, 10),), ((8, 10), (9, 10)))):
        data = mixed(batch(sizes), hook)
        assert all((image == n).all() for n, image in enumerate(data['inputs'])) and hook.acted == 0


def test_draws_depend_on_seed_and_step_alone_and_move_no_global_state():
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    first = mixed(batch(), CutMixHook(prob=1.0), seed=1, step=7)['inputs']
    hook = CutMixHook(prob=1.0)
    mixed(batch(), hook, seed=1, step=6)
    again = mixed(batch(), hook, seed=1, step=7)['inputs']
    other = mixed(batch(), hook, seed=2, step=7)['inputs']
    assert all(map(torch.equal, first, again)) and not all(map(torch.equal, first, other))
    assert random.getstate() == states[0] and np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])


def test_boxes_cover_the_part_that_was_drawn():
    shape, rng = (60, 90), np.random.default_rng(0)
    boxes = [drawn_box(shape, 1.0, rng) for _ in range(4000)]
    assert all(0 <= box.start < box.stop <= length for pair in boxes for box, length in zip(pair, shape))
    inside = [
        [box.stop - box.start for box in pair]
        for pair in boxes
        if all(box.start > 0 and box.stop < length for box, length in zip(pair, shape))
    ]
    assert all(abs(rows / 60 - columns / 90) < 0.03 for rows, columns in inside)  # the image's aspect
    # E[λ P(not cut)] and the whole: with a uniform λ and centre, E[part inside] = ∫ (√λ - λ/4)² dλ
    covered = np.mean([(rows.stop - rows.start) * (columns.stop - columns.start) / 5400 for rows, columns in boxes])
    assert covered == pytest.approx(1 / 2 - 2 / (4 * 2.5) + 1 / (16 * 3), abs=0.015)


def test_pasting_by_hand():
    target, source = torch.zeros(2, 3, 4), torch.arange(24.0).reshape(2, 3, 4)
    out = pasted(target, source, (slice(1, 3), slice(0, 2)))
    assert out[1].tolist() == [[0, 0, 0, 0], [16, 17, 0, 0], [20, 21, 0, 0]] and (target == 0).all()


def test_it_trains_in_plain_mmseg(plain_run):
    run = plain_run([dict(type='CutMixHook', prob=1.0)], steps=3)
    weights = run.train().state_dict()
    plain = plain_run(steps=3).train().state_dict()
    hook = next(hook for hook in run.hooks if isinstance(hook, CutMixHook))
    assert hook.acted == 6
    assert not torch.equal(
        weights['backbone.encoder.0.0.convs.0.conv.weight'], plain['backbone.encoder.0.0.convs.0.conv.weight']
    )


@pytest.mark.parametrize('settings, message', [(dict(prob=1.5), 'no probability'), (dict(concentration=0), 'positive')])
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        HOOKS.build(dict(type='CutMixHook', **settings))
