"""The plain keys of an overlay, merged into a config; dicts that meet lists of heads."""

import copy
from collections.abc import Callable
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.stacks.marks import DELETE, EACH, INSERT, KEEP, MARKS, ONLY, Path, changes_list, wraps
from benchmarks.stacks.references import is_reference, times
from benchmarks.stacks.tree import copied

CASCADE = 'CascadeEncoderDecoder'  # mmseg's, whose `decode_head` is a list of `num_stages` heads


def merge(base: Any, overlay: Any, path: Path = ()) -> Any:
    """``base`` with the plain keys of ``overlay``; changes of lists and wraps are left out. Neither is changed.

    Args:
        base: A config, or a part of one.
        overlay: An overlay, or the part of one for the same place.
        path: The place of both in the whole config.

    Raises:
        BadInput: A dict meets a list that is no list of heads.
    """
    return copied(merged_sharing_parts(base, overlay, path))


def merged_sharing_parts(base: Any, overlay: Any, path: Path = ()) -> Any:
    """:func:`merge`, with parts of both in the result; for several merges in turn, which need one copy at the end."""
    if not isinstance(overlay, dict):
        return overlay
    if is_reference(overlay):
        return times(base, overlay, '.'.join(path))
    if changes_list(overlay) or wraps(overlay):
        return base
    if isinstance(base, list):
        return _merged_into_heads(base, overlay, path)
    _refuse_other_type(base, overlay, path)
    merged = _kept_of(base, overlay)
    for key, node in overlay.items():
        if key in MARKS or ((changes_list(node) or wraps(node)) and key not in merged):
            continue
        merged[key] = merged_sharing_parts(merged.get(key), node, (*path, key))
    return _without_cascade(base, merged) if path == ('model',) else merged


def _refuse_other_type(base: Any, overlay: dict, path: Path) -> None:
    type_of_base = base.get('type') if isinstance(base, dict) else None
    if ONLY in overlay and type_of_base != overlay[ONLY]:
        raise BadInput(
            f"'{'.'.join(path)}' is of the type {type_of_base!r} in the baseline, "
            f"but this change is for the type '{overlay[ONLY]}' only"
        )


def _kept_of(base: Any, overlay: dict) -> dict:
    """The keys of ``base`` that stay when ``overlay`` is merged into it."""
    if overlay.get(DELETE) or not isinstance(base, dict):
        return {}
    kept = overlay.get(KEEP, base)
    return {key: value for key, value in base.items() if key in kept}


def _without_cascade(base: Any, model: dict) -> dict:
    """``model`` as a plain ``EncoderDecoder`` if one head has taken the place of the heads of a cascade."""
    had_list = isinstance(base, dict) and isinstance(base.get('decode_head'), list)
    if not (had_list and isinstance(model.get('decode_head'), dict) and model.get('type') == CASCADE):
        return model
    return {**{key: value for key, value in model.items() if key != 'num_stages'}, 'type': 'EncoderDecoder'}


def _merged_into_heads(heads: list, overlay: dict, path: Path) -> Any:
    if overlay.get(DELETE) or KEEP in overlay:
        return merged_sharing_parts(heads[-1] if heads else {}, overlay, path)
    return change_heads(heads, path, lambda head: merged_sharing_parts(head, overlay, path))


def change_heads(heads: list, path: Path, change: Callable[[dict], dict]) -> list:
    """``heads`` with ``change`` applied to each head that an overlay at ``path`` is meant for.

    Args:
        heads: The list that the config has at ``path``.
        path: Of ``decode_head`` (the last head is meant) or of ``auxiliary_head`` (every head is meant).
        change: From a head to the changed head.

    Raises:
        BadInput: There is no list of heads at ``path``.
    """
    if path == ('model', 'decode_head'):
        return copy.deepcopy(heads[:-1]) + [change(heads[-1])]
    if path == ('model', 'auxiliary_head'):
        return [change(head) for head in heads]
    raise BadInput(
        f"'{'.'.join(path)}' is a list in the baseline; give dict({INSERT}=[...]) to add to it, "
        f'dict({EACH}=dict(...)) to change each element, or a whole list to replace it'
    )
