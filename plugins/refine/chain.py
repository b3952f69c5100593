"""Refinements in a row.

A refinement is an mmcv transform on a dict with ``probs`` float32 (C, H, W), ``labels`` uint8 (H, W) and ``img`` uint8
RGB (H, W, 3). It declares ``takes`` and ``gives``, each 'probabilities' or 'labels': one that gives probabilities sets
both ``probs`` and ``labels``, one that gives labels sets ``labels`` and drops ``probs``. ``needs_image = False`` says
that it does not look at ``img``, which is then not decoded for its sake; without the attribute it is taken to look.
"""
from collections.abc import Mapping

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

KINDS = ('probabilities', 'labels')

Chain = list[tuple[str, BaseTransform]]


def build_chain(refine: Mapping[str, Mapping]) -> Chain:
    """Build the refinements of a config, sorted by ``order`` (then by name).

    Args:
        refine: configs by name, each with ``order``, a ``type`` of the registry TRANSFORMS and its arguments.

    Returns:
        Pairs of name and refinement in the order of application.

    Raises:
        ValueError: when ``order`` is missing, a refinement does not declare what it takes and gives, or one takes
            probabilities after another has given labels.
    """
    for name, config in refine.items():
        if 'order' not in config:
            raise ValueError(f"Refinement '{name}' has no order; add order=<number>, the lowest runs first.")
    names = sorted(refine, key=lambda name: (refine[name]['order'], name))
    chain = [(name, TRANSFORMS.build({k: v for k, v in refine[name].items() if k != 'order'})) for name in names]
    _check(chain)
    return chain


def _check(chain: Chain) -> None:
    labelled_by = None
    for name, refinement in chain:
        for side in ('takes', 'gives'):
            if getattr(refinement, side, None) not in KINDS:
                raise ValueError(f"Refinement '{name}' ({type(refinement).__name__}) must have a class attribute "
                                 f"{side} = 'probabilities' or 'labels'.")
        if refinement.takes == 'probabilities' and labelled_by is not None:
            raise ValueError(f"Refinement '{name}' takes probabilities, but '{labelled_by}' before it gives labels; "
                             f"give '{name}' a lower order than '{labelled_by}'.")
        if refinement.gives == 'labels' and labelled_by is None:
            labelled_by = name


def needs_image(chain: Chain) -> bool:
    """Whether any refinement of the chain looks at the image."""
    return any(getattr(refinement, 'needs_image', True) for _, refinement in chain)


def apply_chain(chain: Chain, results: dict) -> np.ndarray:
    """Send ``results`` through the chain.

    Args:
        chain: from :func:`build_chain`.
        results: ``probs``, ``labels`` and, if the chain needs it, ``img``.

    Returns:
        Labels, uint8 (H, W).

    Raises:
        ValueError: when a refinement returns something other than uint8 labels of the same size.
    """
    shape = results['labels'].shape
    for name, refinement in chain:
        results = refinement(results)
        labels = None if results is None else results.get('labels')
        if labels is None or labels.dtype != np.uint8 or labels.shape != shape:
            found = None if labels is None else f'{labels.dtype} {labels.shape}'
            raise ValueError(f"Refinement '{name}' must set results['labels'] to uint8 {shape}, but gave {found}.")
    return results['labels']
