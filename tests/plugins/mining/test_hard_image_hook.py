"""A run of mmengine's runner with mining: the losses heard are the images' own, and the sampler acts on them."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, MODELS
from mmseg.structures import SegDataSample
from PIL import Image
from torch import nn

import plugins.losses.dice  # noqa: F401
from plugins.mining.hard_image_hook import HardImageMiningHook, image_losses, image_paths

IMAGES = 6
NORM = dict(type='BN')
SIZE = (8, 8)
RUNS = itertools.count()  # mmengine wants another name for each runner


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


@MODELS.register_module(force=True)
class OneConvolution(nn.Module):
    """A backbone of one map per class."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        return [self.conv(x)]


@pytest.fixture
def leaf(tmp_path):
    """Six images; the labels of the last are noise that nothing can learn, the void of the first a third of it."""
    rng = np.random.default_rng(0)
    for folder in ('img', 'ann'):
        (tmp_path / folder).mkdir()
    for n in range(IMAGES):
        image = rng.integers(0, 256, (*SIZE, 3), np.uint8)
        labels = (image[..., 0] > 127).astype(np.uint8)
        if n == IMAGES - 1:
            labels = rng.integers(0, 2, SIZE, np.uint8)
        if n == 0:
            labels[:3] = 255
        Image.fromarray(image).save(tmp_path / 'img' / f'{n}.png')
        Image.fromarray(labels).save(tmp_path / 'ann' / f'{n}.png')
    return dict(
        type='BaseSegDataset',
        data_root=str(tmp_path),
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        img_suffix='.png',
        seg_map_suffix='.png',
        metainfo=dict(classes=('a', 'b')),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')],
    )


def config(leaf, tmp_path, iters=30, wrap=True, workers=0, loss=dict(type='SoftDiceLoss'), **changes):
    head = dict(
        type='FCNHead',
        in_channels=4,
        in_index=0,
        channels=4,
        num_convs=1,
        concat_input=False,
        num_classes=2,
        norm_cfg=NORM,
        dropout_ratio=0,
        loss_decode=loss,
    )
    return dict(
        dict(
            model=dict(
                type='EncoderDecoder',
                backbone=dict(type='OneConvolution'),
                decode_head=head,
                train_cfg={},
                test_cfg=dict(mode='whole'),
                data_preprocessor=dict(type='SegDataPreProcessor', mean=[128.0] * 3, std=[64.0] * 3, size=SIZE),
            ),
            train_dataloader=dict(
                batch_size=2,
                num_workers=workers,
                sampler=dict(type='HardImageSampler', mix=0.8),
                dataset=dict(type='PairedDataset', dataset=leaf) if wrap else leaf,
            ),
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=iters, val_interval=1000),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            default_scope='mmseg',
            default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=iters, by_epoch=False), logger=None),
            custom_hooks=[dict(type='HardImageMiningHook')],
            randomness=dict(seed=0),
            log_level='ERROR',
            work_dir=str(tmp_path / 'work'),
            experiment_name=f'{tmp_path.name}_{next(RUNS)}',
        ),
        **changes,
    )


def trained(*args, **changes):
    runner = built(config(*args, **changes))
    runner.train()
    return runner


def built(cfg):
    return Runner.from_cfg(Config(cfg, format_python_code=False))  # laying out the config takes longer than the run


def sampler_of(runner):
    return runner.train_loop.dataloader.sampler


def test_image_losses_are_the_cross_entropies_of_the_images():
    generator = torch.Generator().manual_seed(0)
    logits, target = torch.randn(3, 4, 5, 6, generator=generator), torch.randint(0, 4, (3, 5, 6), generator=generator)
    target[0, :2], target[1] = 255, 255
    found = image_losses(logits, target)
    for n in (0, 2):
        expected = F.cross_entropy(logits[n : n + 1], target[n : n + 1], ignore_index=255)
        torch.testing.assert_close(found[n], expected)
    assert found[1].isnan()
    binary = target.clamp(max=1).masked_fill(target == 255, 255)
    z = logits[:, :1]
    expected = F.binary_cross_entropy_with_logits(z[2, 0], binary[2].float())
    torch.testing.assert_close(image_losses(z, binary)[2], expected)


@pytest.mark.parametrize('wrap', [True, False], ids=['paired', 'plain mmseg'])
def test_an_image_that_cannot_be_learnt_is_drawn_most(leaf, tmp_path, wrap):
    runner = trained(leaf, tmp_path, iters=60, wrap=wrap, optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.05)))
    sampler = sampler_of(runner)
    assert np.isfinite(sampler.losses).all() and sampler.losses.argmax() == IMAGES - 1
    assert sampler.acted == 60 * 2 - IMAGES


def test_what_is_heard_is_the_loss_of_the_step(leaf, tmp_path):
    """With nothing learnt the running loss is that of a plain forward pass over the image."""
    runner = trained(leaf, tmp_path, iters=3, optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.0)))
    sampler, dataset = sampler_of(runner), DATASETS.build(leaf)
    model = runner.model
    with torch.no_grad():
        for draws in np.array(sampler._order(0)).reshape(3, 2):  # batch norm's statistics are the batch's
            data = model.data_preprocessor(
                dict(
                    inputs=[dataset[n]['inputs'] for n in draws],
                    data_samples=[dataset[n]['data_samples'] for n in draws],
                ),
                True,
            )
            model.train()
            labels = torch.stack([sample.gt_sem_seg.data[0] for sample in data['data_samples']])
            for n, logits, target in zip(draws, model(data['inputs'], None, mode='tensor'), labels):
                expected = F.cross_entropy(logits[None], target[None], ignore_index=255)
                assert sampler.losses[n] == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize('workers', [0, 2])
def test_two_runs_are_one(leaf, tmp_path, workers):
    first, second = (trained(leaf, tmp_path, workers=workers) for _ in range(2))
    np.testing.assert_array_equal(sampler_of(first).losses, sampler_of(second).losses)
    assert sampler_of(first).acted == sampler_of(second).acted > 20
    for ours, theirs in zip(first.model.parameters(), second.model.parameters()):
        assert torch.equal(ours, theirs)


def test_a_resumed_run_is_the_whole_one(leaf, tmp_path):
    every = dict(checkpoint=dict(type='CheckpointHook', interval=12, by_epoch=False), logger=None)
    whole = trained(leaf, tmp_path, iters=24, default_hooks=every)
    checkpoint = tmp_path / 'work' / 'iter_12.pth'
    rest = trained(leaf, tmp_path, iters=24, load_from=str(checkpoint), resume=True)
    np.testing.assert_allclose(sampler_of(rest).losses, sampler_of(whole).losses, rtol=1e-6)
    for ours, theirs in zip(rest.model.parameters(), whole.model.parameters()):
        torch.testing.assert_close(ours, theirs)


def test_the_losses_of_another_training_are_not_taken_over(leaf, tmp_path):
    """``load_from`` without ``resume`` loads a checkpoint, too, and then begins at the first iteration."""
    run = Heard(leaf, tmp_path)
    run.hook.after_load_checkpoint(run.runner, dict(hard_image_losses=torch.ones(99)))
    run.hook.before_train(run.runner)
    assert np.isnan(sampler_of(run.runner).losses).all()


def test_listening_ends_with_the_training_and_leaves_the_model_as_it_is(leaf, tmp_path):
    runner = trained(leaf, tmp_path, iters=4)
    assert not runner.model.decode_head.loss_decode._forward_pre_hooks
    plain = trained(leaf, tmp_path, iters=3, custom_hooks=[])
    mined = trained(leaf, tmp_path, iters=3)  # one pass: both arms draw alike, so listening is all that differs
    for ours, theirs in zip(mined.model.state_dict().values(), plain.model.state_dict().values()):
        assert torch.equal(ours, theirs)
    assert sampler_of(plain).acted == 0


def test_the_first_of_several_losses_is_enough(leaf, tmp_path):
    losses = [dict(type='SoftDiceLoss'), dict(type='CrossEntropyLoss')]
    assert np.isfinite(sampler_of(trained(leaf, tmp_path, iters=3, loss=losses)).losses).all()


def test_a_compiled_head_is_heard(leaf, tmp_path):
    run = Heard(leaf, tmp_path)
    logits, labels = torch.randn(2, 2, *SIZE), torch.ones(2, *SIZE).long()
    compiled = torch.compile(run.runner.model.decode_head.loss_decode, backend='eager')
    for scale in (1.0, 2.0):
        compiled(scale * logits, labels, weight=None, ignore_index=255)
        torch.testing.assert_close(run.hook._measured, image_losses(scale * logits, labels))
    torch._dynamo.reset()


@pytest.mark.parametrize(
    'wrap, expected',
    [
        (lambda leaf: leaf, [0, 1, 2, 3, 4, 5]),
        (lambda leaf: dict(type='RepeatDataset', times=2, dataset=leaf), [0, 1, 2, 3, 4, 5] * 2),
        (lambda leaf: dict(type='ConcatDataset', datasets=[leaf, leaf]), [0, 1, 2, 3, 4, 5] * 2),
        (lambda leaf: dict(type='MultiImageMixDataset', dataset=leaf, pipeline=[]), [0, 1, 2, 3, 4, 5]),
        (
            lambda leaf: dict(
                type='PairedDataset', dataset=dict(type='MultiImageMixDataset', dataset=leaf, pipeline=[])
            ),
            [0, 1, 2, 3, 4, 5],
        ),
    ],
    ids=['plain', 'repeated', 'concatenated', 'mixed', 'paired and mixed'],
)
def test_paths_are_found_below_wrappers(leaf, wrap, expected):
    paths = image_paths(DATASETS.build(wrap(leaf)))
    assert [int(path.rsplit('/')[-1][0]) for path in paths] == expected
    with pytest.raises(ValueError, match='list does not say which image'):
        image_paths([1, 2])


def test_copies_of_an_image_share_their_loss(leaf, tmp_path):
    losses = sampler_of(trained(dict(type='RepeatDataset', times=2, dataset=leaf), tmp_path, iters=3)).losses
    np.testing.assert_array_equal(losses[:IMAGES], losses[IMAGES:])


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1)), 'infinite=False'),
        (dict(sampler=dict(type='PairedSampler')), 'draws with PairedSampler'),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_step(leaf, tmp_path, changes, message):
    changed = config(leaf, tmp_path)
    changed['train_dataloader']['sampler'] = changes.pop('sampler', changed['train_dataloader']['sampler'])
    with pytest.raises(ValueError, match=message):
        built(dict(changed, **changes)).train()


def test_epochs_work_with_a_finite_sampler(leaf, tmp_path):
    changed = config(
        leaf,
        tmp_path,
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=3),
        default_hooks=dict(checkpoint=None, logger=None),
    )
    changed['train_dataloader']['sampler'].update(infinite=False)
    runner = built(changed)
    runner.train()
    assert runner.iter == 9 and sampler_of(runner).acted == 2 * IMAGES


class Heard:
    """What the hook needs of a runner after it has begun to listen."""

    def __init__(self, leaf, tmp_path):
        self.runner = built(config(leaf, tmp_path))
        self.hook = HardImageMiningHook()
        self.runner._train_loop = self.runner.build_train_loop(self.runner._train_loop)
        self.hook.before_train(self.runner)


@pytest.mark.parametrize(
    'heard, path, message',
    [(None, '0.png', 'no call'), (3, '0.png', 'one of 3 images'), (1, 'elsewhere.png', 'elsewhere.png')],
)
def test_a_step_that_gives_no_loss_for_each_image_is_an_error(leaf, tmp_path, heard, path, message):
    run = Heard(leaf, tmp_path)
    sample = SegDataSample(
        metainfo=dict(img_path=str(tmp_path / 'img' / path)), gt_sem_seg=PixelData(data=torch.zeros(1, 2, 2).long())
    )
    run.hook._measured = None if heard is None else torch.ones(heard)
    with pytest.raises(RuntimeError, match=message):
        run.hook.after_train_iter(run.runner, 0, dict(data_samples=[sample]))


def test_a_head_that_trains_on_points_is_refused_by_name(leaf, tmp_path):
    run = Heard(leaf, tmp_path)  # PointHead itself needs the full mmcv; it calls its loss so
    with pytest.raises(RuntimeError, match=r'HardImageMiningHook .*\(1, 2, 5\).*PointHead'):
        run.runner.model.decode_head.loss_decode(torch.randn(1, 2, 5), torch.ones(1, 5).long(), ignore_index=255)


def test_every_rank_learns_the_losses_of_all(leaf, tmp_path, monkeypatch):
    run = Heard(leaf, tmp_path)
    other = {torch.int64: torch.tensor([4]), torch.float32: torch.tensor([0.5])}
    monkeypatch.setattr('plugins.mining.hard_image_hook.all_gather', lambda data: [data, other[data.dtype]])
    sample = SegDataSample(metainfo=dict(img_path=str(tmp_path / 'img' / '2.png')))
    run.hook._measured = torch.tensor([2.0])
    run.hook.after_train_iter(run.runner, 0, dict(data_samples=[sample]))
    np.testing.assert_array_equal(sampler_of(run.runner).losses, [np.nan, np.nan, 2.0, np.nan, 0.5, np.nan])


def test_a_model_without_a_decode_loss_is_refused(leaf, tmp_path):
    run = Heard(leaf, tmp_path)
    run.runner.model = nn.Linear(1, 1)
    with pytest.raises(ValueError, match='Linear has no decode_head'):
        run.hook.before_train(run.runner)


class Around(nn.Module):
    """A head around another one."""

    def __init__(self, head):
        super().__init__()
        self.head, self.ignore_index = head, head.ignore_index


@pytest.mark.parametrize(
    'heads',
    [lambda head: head, Around, lambda head: nn.ModuleList([nn.Linear(1, 1), head])],
    ids=['plain', 'wrapped', 'the last of a cascade'],
)
def test_the_loss_is_found_in_any_decode_head(leaf, tmp_path, heads):
    run = Heard(leaf, tmp_path)
    head = run.runner.model.decode_head
    run.runner.model.decode_head = heads(head)
    head.loss_decode._forward_pre_hooks.clear()
    run.hook.before_train(run.runner)
    head.loss_decode(torch.randn(1, 2, *SIZE), torch.ones(1, *SIZE).long())
    assert run.hook._measured.shape == (1,)
