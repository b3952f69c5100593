"""Offers a stretched schedule as words for the command line."""

from collections.abc import Mapping
from typing import Any

from benchmarks.preflight.changes import value_at, with_changes

SCHEDULE = 'param_scheduler'  # None in place of a whole schedule that cannot be stretched


def with_those_it_has(network: dict, changes: Mapping[str, Any]) -> dict:
    """A config with those of the changed arguments whose places it has."""
    return with_changes(
        network,
        {
            path: value
            for path, value in changes.items()
            if isinstance(value_at(network, path.rpartition('.')[0]), Mapping)
        },
    )


def offer(changes: Mapping[str, Any], network: dict, given: dict) -> str:
    """The stretched schedule as a sentence: options for what the baseline sets, names for what a technique sets.

    Args:
        changes: The arguments that make schedules fit, by path.
        network: The resolved config of the training.
        given: The baseline's config with the options that were given, which further options change.
    """
    options: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for path, value in changes.items():
        own = _path_in_baseline(path, network, given)
        (options if own else others)[own or path] = value
    words = [f'{path}={_word(value)}' for path, value in options.items()]
    text = f'. To stretch it, add --cfg-options {" ".join(words)}' if words else ''
    if SCHEDULE in others:
        text += '. So few steps leave no room for this schedule: train longer, or leave its technique out'
    elif others:
        text += f'. Set in a technique: {", ".join(f"{path}={_word(value)}" for path, value in others.items())}'
    return text


def _path_in_baseline(path: str, network: dict, given: dict) -> str | None:
    """The path of an argument in the baseline's own config; None if the baseline does not decide it.

    The protocol puts its hooks before those of the baseline, so that a hook has another place there.
    """
    head, _, rest = path.partition('.')
    if head == 'custom_hooks':
        number, _, rest = rest.partition('.')
        hook, own = network[head][int(number)], given.get(head) or []
        return f'{head}.{own.index(hook)}.{rest}' if hook in own else None
    parent, _, key = path.rpartition('.')
    mine, theirs = value_at(network, parent), value_at(given, parent)
    if not isinstance(theirs, Mapping) or mine.get('type') != theirs.get('type'):
        return None
    return path if theirs.get(key) == mine.get(key) else None


def _word(value: Any) -> str:
    """A value as ``--cfg-options`` reads it."""
    if isinstance(value, list):
        return ','.join(map(str, value)) + (',' if len(value) == 1 else '')
    return str(value)
