"""Chains of refinements.

A refinement is an mmcv transform of a dict with ``probs`` float32 (C, H, W), ``labels`` uint8 (H, W) and ``img`` uint8
RGB (H, W, 3). Its result depends on its input and its arguments alone. It has these attributes:

* ``takes`` and ``gives``, each 'probabilities' or 'labels'. A refinement that gives probabilities sets ``probs`` and
  ``labels``. A refinement that gives labels sets ``labels`` and removes ``probs``.
* ``needs_image`` (optional): False if the refinement does not read ``img``. The image is decoded only if a refinement
  of the chain reads it. Without the attribute, the refinement counts as reading it.
* ``transform_many`` (optional): takes a list of such dicts of one image, and returns for each dict the result of
  ``transform``, bit for bit.
"""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

KINDS = ('probabilities', 'labels')


class Step(NamedTuple):
    """One refinement of a chain.

    Args:
        name: The name of the refinement in the config.
        refinement: The transform.
        content: The config of the refinement without ``order``, as text. Steps of equal content compute the same.
    """

    name: str
    refinement: BaseTransform
    content: str


Chain = list[Step]


def build_chain(refine: Mapping[str, Mapping]) -> Chain:
    """Build the refinements of a config, sorted by ``order`` and then by name.

    Args:
        refine: Name → config, with ``order``, a ``type`` of the registry TRANSFORMS and the arguments of the type.

    Returns:
        The refinements in the order of application.

    Raises:
        ValueError: ``order`` is missing, a refinement has no valid ``takes`` and ``gives``, or a refinement takes
            probabilities after another one has given labels.
    """
    for name, config in refine.items():
        if 'order' not in config:
            raise ValueError(f"Refinement '{name}' has no order; add order=<number>, the lowest runs first.")
    chain = []
    for name in sorted(refine, key=lambda name: (refine[name]['order'], name)):
        config = {key: value for key, value in refine[name].items() if key != 'order'}
        chain.append(Step(name, TRANSFORMS.build(config), json.dumps(config, sort_keys=True, default=repr)))
    _check(chain)
    return chain


def _check(chain: Chain) -> None:
    labelled_by = None
    for name, refinement, _ in chain:
        for side in ('takes', 'gives'):
            if getattr(refinement, side, None) not in KINDS:
                raise ValueError(
                    f"Refinement '{name}' ({type(refinement).__name__}) must have a class attribute "
                    f"{side} = 'probabilities' or 'labels'."
                )
        if refinement.takes == 'probabilities' and labelled_by is not None:
            raise ValueError(
                f"Refinement '{name}' takes probabilities, but '{labelled_by}' before it gives labels; "
                f"give '{name}' a lower order than '{labelled_by}'."
            )
        if refinement.gives == 'labels' and labelled_by is None:
            labelled_by = name


def needs_image(chain: Chain) -> bool:
    """Whether any refinement of the chain reads the image."""
    return any(getattr(refinement, 'needs_image', True) for _, refinement, _ in chain)


def apply_chains(chains: Sequence[Chain], starts: Sequence[int], inputs: Mapping[int, dict]) -> list[np.ndarray]:
    """Refine predictions of one image by several chains; each result is that of the chain alone.

    If several chains begin with equal refinements of the same input, these run once. A refinement with
    ``transform_many`` gets all its inputs in one call.

    Args:
        chains: Chains from :func:`build_chain`.
        starts: For each chain the key of its input in ``inputs``.
        inputs: Predictions, dicts with ``labels``, ``probs`` and, if a chain needs it, ``img``. They are not changed.

    Returns:
        Labels for each chain, uint8 (H, W).

    Raises:
        ValueError: A refinement does not return uint8 labels of the same size.
    """
    done = {(start, ()): inputs[start] for start in starts}
    for depth in range(1, max(map(len, chains), default=0) + 1):
        for step, keys in _next_steps(chains, starts, depth):
            before = [_copied(done[start, path[:-1]]) for start, path in keys]
            shapes = [results['labels'].shape for results in before]
            for key, results, shape in zip(keys, _apply(step.refinement, before), shapes, strict=True):
                _check_labels(step.name, results, shape)
                done[key] = results
    return [done[start, _path(chain)]['labels'] for start, chain in zip(starts, chains)]  # type: ignore[index]


def _path(steps: Chain) -> tuple[str, ...]:
    return tuple(step.content for step in steps)


def _next_steps(chains: Sequence[Chain], starts: Sequence[int], depth: int) -> list[tuple[Step, list[tuple]]]:
    """The distinct refinements at one depth of all chains, each with the keys (start, path) of its results."""
    found = {}  # type: ignore[var-annotated]
    for chain, start in zip(chains, starts):
        if len(chain) >= depth:
            step, keys = found.setdefault(chain[depth - 1].content, (chain[depth - 1], {}))
            keys[start, _path(chain[:depth])] = None
    return [(step, list(keys)) for step, keys in found.values()]


def _copied(results: dict) -> dict:
    """Copies of the maps, because a refinement may work in place. The image is shared; no refinement may change it."""
    return {key: value.copy() if key in ('probs', 'labels') else value for key, value in results.items()}


def _apply(refinement: BaseTransform, several: list[dict]) -> list:
    if hasattr(refinement, 'transform_many'):
        return refinement.transform_many(several)
    return [refinement(results) for results in several]


def _check_labels(name: str, results: dict | None, shape: tuple[int, int]) -> None:
    labels = None if results is None else results.get('labels')
    if labels is None or labels.dtype != np.uint8 or labels.shape != shape:
        found = None if labels is None else f'{labels.dtype} {labels.shape}'
        raise ValueError(f"Refinement '{name}' must set results['labels'] to uint8 {shape}, but gave {found}.")
