"""Cures for what libraries say in their own words when a config's values do not fit together."""

import re
from collections.abc import Callable, Mapping
from typing import Any

Cure = Callable[[Mapping[str, Any], re.Match], str]


def _classes(config: Mapping[str, Any]) -> Any:
    head = config['model'].get('decode_head') or {}
    head = head[-1] if isinstance(head, (list, tuple)) else head
    return head.get('num_classes', 'as many as the data set has classes')


def _divisor(config: Mapping[str, Any]) -> str:
    backbone = config['model'].get('backbone') or {}
    halvings = sum(map(bool, backbone.get('downsamples') or ()))
    return str(2**halvings) if halvings else '32'


CURES: tuple[tuple[str, Cure], ...] = (
    (
        r'weight tensor should be defined|class_weight|size of tensor .* non-singleton dimension',
        lambda config, _: (
            f'give class_weight one number for each of the {_classes(config)} classes, and none with use_sigmoid=True'
        ),
    ),
    (
        r'Target \d+ is out of bounds|Class values must be',
        lambda config, _: (
            f'a label is larger than the channels allow: with out_channels=1 give the loss use_sigmoid=True; '
            f'otherwise leave out_channels out, so that there are {_classes(config)} channels'
        ),
    ),
    (
        r'the network predicts label \d+, but the data set has classes',
        lambda config, _: (
            'a network with one channel tells background and one class apart: declare both in metainfo.classes, with '
            'num_classes=2 and out_channels=1 of the head'
        ),
    ),
    (
        r'reduce_zero_label',
        lambda config, _: (
            'set reduce_zero_label in the data set (train_dataloader.dataset and test_dataloader.dataset), and leave '
            'it out of LoadAnnotations'
        ),
    ),
    (
        r'stack expects each tensor to be equal size|should be same shape|must be same size'
        r'|only one of size and size_divisor',
        lambda config, _: (
            'a batch of images of several sizes needs one size: give model.data_preprocessor a size=(H, W), or end the '
            'training pipeline with a RandomCrop of one size'
        ),
    ),
    (
        r'Sizes of tensors must match except in dimension|should be divisible by the whole downsample rate',
        lambda config, _: (
            f'the network halves the image and needs sides that can be halved: set '
            f'model.data_preprocessor.test_cfg.size_divisor={_divisor(config)}'
        ),
    ),
    (
        r'Expected more than 1 value per channel',
        lambda config, _: (
            'batch norm cannot work on one value: give train_dataloader a batch_size of 2 at least and drop_last=True'
        ),
    ),
    (
        r'(?i)available on GPU|only available training on gpu'
        r'|requires cuda|CUDA is not available|not compiled with CUDA|no NVIDIA driver',
        lambda config, _: 'this part needs a GPU: run with --device cuda, or take it out of the config',
    ),
    (
        r"'float' object has no attribute 'backward'",
        lambda config, _: (
            "no loss counts: mmseg adds up those whose name begins with 'loss', so give loss_name='loss_…'"
        ),
    ),
    (
        r'does not require grad',
        lambda config, _: (
            'no loss depends on the weights: compute it from the logits, without detach(), argmax() or item()'
        ),
    ),
    (r'is not a tensor or list of tensors', lambda config, _: 'return a tensor from the loss, not a number'),
    (
        r"no attribute '_?gt_sem_seg'",
        lambda config, _: (
            "the training samples have no labels: put dict(type='LoadAnnotations') into the training pipeline"
        ),
    ),
    (
        r"KeyError: '(inputs|data_samples)'|^'(inputs|data_samples)'$",
        lambda config, _: "the pipeline gives no samples for the model: end it with dict(type='PackSegInputs')",
    ),
    (
        r'expected input\[.*\] to have (\d+) channels, but got (\d+) channels',
        lambda config, found: (
            f'this part takes {found[1]} channels and gets {found[2]}: set its in_channels={found[2]}, or, for the '
            f'part that sees the image, load images of {found[1]} channels'
        ),
    ),
    (
        r'cvtColor|number of channels|scn|must have 3 channels'
        r'|tensor a \([134]\) must match the size of tensor b \([134]\)',
        lambda config, _: (
            "the image has another number of channels than this part takes: load three (color_type='color'"
            '), or take the part out for images of another number'
        ),
    ),
)


def cure_for(message: str, config: Mapping[str, Any]) -> str | None:
    """The cure for an exception's message; None where none is known.

    Args:
        message: The exception's message.
        config: The resolved config that failed.
    """
    for pattern, cure in CURES:
        if found := re.search(pattern, message):
            return cure(config, found)
    return None
