"""The overlay language: how a technique says what it changes in a config.

An overlay is a nested dict that is merged into the config key by key. This one sets one value and leaves all others:

    model=dict(decode_head=dict(dropout_ratio=0.2))

Marks, keys with underscores around them, ask for more than a merge.

``_delete_=True`` replaces a dict instead of merging into it:

    loss_decode=dict(_delete_=True, type='FocalLoss', gamma=2.0)

``_keep_=[...]`` replaces a dict, too, but keeps these keys of the old one, as far as it has them:

    decode_head=dict(_keep_=['in_channels', 'num_classes'], type='SegformerHead')

``_only_='FCNHead'`` merges only if the config has this type there; any other type is an error:

    decode_head=dict(_only_='FCNHead', num_convs=1)

``_wrap_='head'`` puts a new dict around the old value, which moves to this key (None if there was none):

    decode_head=dict(_wrap_='head', type='AttentionHead')      # → dict(type='AttentionHead', head=<the old head>)

``_insert_=[...]`` adds items to a list, such as a pipeline or ``custom_hooks``: after the first item of a type
(``_after_``), before it (``_before_``), or at the end if neither is given:

    pipeline=dict(_insert_=[dict(type='RandomRotate', prob=0.5, degree=20)], _after_='RandomFlip')

``_each_=dict(...)`` merges a dict into each dict of a list:

    param_scheduler=dict(_each_=dict(power=1.0))

A value may also be a reference to the config or to its model, such as ``dict(_from_='train_cfg.max_iters')``: see
:mod:`benchmarks.stacks.references`.

Lists of heads. A dict for ``decode_head`` that meets the list of heads of a cascade changes the last head, because its
output is the prediction. A dict for ``auxiliary_head`` that meets a list changes every auxiliary head. A
``decode_head`` that replaces (``_delete_``, ``_keep_``) puts one head in place of the whole list, and the model becomes
a plain ``EncoderDecoder``.

Order. Overlays that set different keys give the same config in every order, because their parts are applied by kind:
first the replacements, then the merges, then the changes of lists, and last the wraps. So every overlay but a wrap
finds the wrapped part at its usual place. Where the baseline itself wraps a data set, a change of the pipeline reaches
through (:mod:`benchmarks.stacks.wrapped_pipelines`).
"""

import copy
import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from benchmarks.stacks.list_changes import each_merged, inserted
from benchmarks.stacks.marks import KEEP, WRAP, Path, changes_list, wraps
from benchmarks.stacks.merging import change_heads, merged_sharing_parts
from benchmarks.stacks.references import is_reference
from benchmarks.stacks.tree import copied
from benchmarks.stacks.wrapped_pipelines import inside_wrappers


def apply(base: dict, overlays: Iterable[dict]) -> dict:
    """``base`` with all overlays, except for their wraps (see :func:`wrap`). Neither is changed.

    Args:
        base: A config.
        overlays: Overlays of which no two clash.

    Raises:
        BadInput: An overlay does not fit its place; for example, a dict meets a list that is no list of heads.
    """
    overlays = [inside_wrappers(overlay, base) for overlay in overlays]
    overlays = sorted(overlays, key=_depth_of_keep)  # replacements first, the outermost before all others
    config = base
    for overlay in overlays:
        config = merged_sharing_parts(config, overlay)
    for change in (each_merged, inserted):
        for overlay in overlays:
            config = _with_lists_changed(config, overlay, (), change)
    return copied(config)


def _depth_of_keep(node: Any, depth: int = 0) -> float:
    """The depth of the outermost ``_keep_`` of an overlay; infinite without one."""
    if not isinstance(node, dict):
        return math.inf
    if KEEP in node:
        return depth
    return min((_depth_of_keep(value, depth + 1) for value in node.values()), default=math.inf)


def _with_lists_changed(config: dict, overlay: dict, path: Path, change: Callable[[Any, dict, Path], Any]) -> dict:
    """``config`` with ``change`` applied wherever ``overlay`` changes a list."""
    config = dict(config)
    for key, node in overlay.items():
        here, old = (*path, key), config.get(key)
        if wraps(node) or is_reference(node):
            continue
        if changes_list(node):
            config[key] = change([] if key == 'custom_hooks' and key not in config else old, node, here)
        elif isinstance(node, dict) and isinstance(old, dict):
            config[key] = _with_lists_changed(old, node, here, change)
        elif isinstance(node, dict) and isinstance(old, list):
            config[key] = change_heads(old, here, partial(_with_lists_changed, overlay=node, path=here, change=change))
    return config


def wrap(config: dict, overlay: dict, path: Path = ()) -> dict:
    """``config`` with the wraps of ``overlay`` put around parts of it.

    Args:
        config: A config that has been merged already (see :func:`apply`).
        overlay: The overlay.
        path: The place of both in the whole config.
    """
    config = dict(config)
    for key, node in overlay.items():
        here, old = (*path, key), config.get(key)
        if wraps(node):
            wrapped = partial(_wrapped, node=node)
            config[key] = change_heads(old, here, wrapped) if isinstance(old, list) else wrapped(old)
        elif isinstance(node, dict) and isinstance(old, dict):
            config[key] = wrap(old, node, here)
        elif isinstance(node, dict) and isinstance(old, list) and not (changes_list(node) or is_reference(node)):
            config[key] = change_heads(old, here, partial(wrap, overlay=node, path=here))
    return config


def _wrapped(old: Any, node: dict) -> dict:
    """The dict that a ``_wrap_`` asks for, with the old value under the key that it names."""
    around = {key: copy.deepcopy(value) for key, value in node.items() if key != WRAP}
    return {**around, node[WRAP]: copy.deepcopy(old)}
