"""A training whose label of void pixels is 254: transforms fill with it, and heads and losses leave it out."""

import copy
import math

import numpy as np
import pytest
from PIL import Image

import plugins.losses.dice
import plugins.losses.focal
import plugins.mining.ohem_fraction_sampler
import plugins.transforms.cut_out
import plugins.transforms.elastic  # noqa: F401

FILLS = [
    dict(type='SquareCutOut', prob=1.0, seg_fill=254),
    dict(type='ElasticDeformation', prob=1.0, strength=0.2, seg_pad_val=254),
]
HEADS = [
    dict(),
    dict(loss_decode=[dict(type='SoftDiceLoss'), dict(type='SoftmaxFocalLoss')]),
    dict(sampler=dict(type='OHEMFractionSampler', fraction=0.2, thresh=0.7)),
]


@pytest.mark.parametrize('head', HEADS, ids=['cross entropy', 'Dice and focal', 'OHEM'])
def test_one_step_with_void_masks_and_filled_pixels(plain_run, small_model, small_pictures, tmp_path, head):
    (tmp_path / 'ann').mkdir()
    for path in sorted((small_pictures / 'ann').glob('*.png')):
        mask = np.array(Image.open(path))
        mask[:2] = 254
        Image.fromarray(mask).save(tmp_path / 'ann' / path.name)
    model = copy.deepcopy(small_model)
    model['decode_head'].update(ignore_index=254, **copy.deepcopy(head))
    model['data_preprocessor'].update(seg_pad_val=254)
    run = plain_run(steps=1, model=model, transforms=FILLS)
    data = run.cfg.train_dataloader.dataset
    data.update(ignore_index=254, data_prefix=dict(img_path='img', seg_map_path=str(tmp_path / 'ann')))
    run._train_dataloader = run.cfg.train_dataloader
    batch = next(iter(run.build_dataloader(run.cfg.train_dataloader)))
    seen = {label for sample in batch['data_samples'] for label in np.unique(sample.gt_sem_seg.data).tolist()}
    assert seen <= {0, 1, 254} and 254 in seen
    run.train()
    assert math.isfinite(run.message_hub.get_scalar('train/loss').current())
