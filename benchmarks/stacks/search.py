"""The field ``search`` of a technique: which of its parameters may be chosen on validation images, and from what.

    search = dict(
        space={
            'iterations': [1, 5, 10],                                  # these values
            'crf.bilateral_srgb': dict(low=5, high=100, log=True),     # a range; log=True draws its logarithm
        },
        trials=30,                                                     # how many trials the space is worth
        per='seed',                                                    # or 'stack': one choice for all seeds
        steps=0.25,                                                    # trials train a quarter of the schedule
        halving=3,                                                     # a third of the trials sees three times as much
    )

The keys are those that a sweep may set (:mod:`benchmarks.stacks.places`). A parameter of ``inference.refine`` is tried
on stored maps, without a training and without a forward pass. For any other one each trial is a network of its own,
which is trained and predicts the validation images; ``steps`` is for these trials alone. With ``steps=[0.1, 0.3, 1]``
all of them train a tenth of the schedule, the best third trains anew for three tenths, the best tenth to the end: as
many steps in each round. ``halving`` is for the others: all are tried on a few images, the best third of them on three
times as many, and so on.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.errors import BadInput, did_you_mean
from benchmarks.stacks.places import Place, place_of

FIELDS = ('space', 'trials', 'per', 'steps', 'halving')
RANGE = ('low', 'high', 'log')
PER_SEED, PER_STACK = 'seed', 'stack'
TRIED_WITHOUT_NETWORK: Place = ('inference', 'refine')
# What no value of a technique may change: the test, and the ways in which a stack has several networks.
NOT_SEARCHED = ('test_dataloader', 'test_evaluator', 'val_dataloader', 'randomness', 'ensemble', 'teacher')
FEWEST_TRIALS = 2  # the values of the technique's file, and others


def search_mistakes(search: Any, overlay: dict, origin: str) -> list[str]:
    """What is wrong with the field ``search`` of a technique: a sentence for each mistake.

    Args:
        search: The field.
        overlay: The technique's overlay.
        origin: The technique's file, for the messages.
    """
    if not isinstance(search, Mapping):
        return [f'{origin}: search is {search!r}; give dict(space=dict(key=[value, ...]), trials=30)']
    return list(_mistakes(search, overlay, f'{origin}: search'))


def _mistakes(search: Mapping, overlay: dict, origin: str) -> Iterator[str]:
    for name in sorted(map(str, search.keys() - set(FIELDS))):
        yield f"{origin} has a field '{name}'{did_you_mean(name, FIELDS)}; it takes {', '.join(FIELDS)}"
    trials = search.get('trials')
    if type(trials) is not int or trials < FEWEST_TRIALS:
        yield f'{origin}: trials is {trials!r}; give a number from {FEWEST_TRIALS} on: one trial has the own values'
    if search.get('per', PER_SEED) not in (PER_SEED, PER_STACK):
        yield (
            f"{origin}: per is {search['per']!r}; give '{PER_SEED}' for a choice by each network, or '{PER_STACK}' for "
            'one choice for all seeds'
        )
    space = search.get('space')
    if not isinstance(space, Mapping) or not space:
        yield f'{origin}: space is {space!r}; give dict(key=[value, ...]), with keys as in a sweep'
        return
    yield from _mistakes_of_space(space, overlay, origin)
    yield from _mistakes_of_steps(search, overlay, origin)
    yield from _mistakes_of_halving(search, overlay, origin)


def _mistakes_of_space(space: Mapping, overlay: dict, origin: str) -> Iterator[str]:
    """What is wrong with the keys and values of a space."""
    places: dict[Place, str] = {}
    for key, values in space.items():
        yield from _mistakes_of_values(values, f"{origin}: space['{key}']")
        try:
            place = place_of(overlay, str(key), f'{origin}: space')
        except BadInput as error:
            yield str(error)
            continue
        if place[0] in NOT_SEARCHED:
            yield (
                f"{origin}: space['{key}'] is {'.'.join(place)}, and a choice on validation images may not change "
                f'{place[0]}; search parameters of the training or of the inference'
            )
        if place in places:
            yield f"{origin}: space has '{places[place]}' and '{key}', which are one parameter; keep one of them"
        places[place] = str(key)


def _mistakes_of_steps(search: Mapping, overlay: dict, origin: str) -> Iterator[str]:
    """What is wrong with the share of the schedule that trials train: nothing, or one sentence."""
    share = search.get('steps', 1)
    shares = list(share) if isinstance(share, (list, tuple)) else [share]
    if not shares or not all(_is_number(one) and 0 < one <= 1 for one in shares) or sorted(set(shares)) != shares:
        yield (
            f'{origin}: steps is {share!r}; give the share of the schedule that a trial trains, such as 0.25, or '
            'rising shares for rounds of trials, such as [0.1, 0.3, 1]'
        )
    elif 'steps' in search and not network_space(search, overlay, origin):
        yield (
            f'{origin}: steps is {share!r}, but no key of the space is of a training; values of refinements are tried '
            'on stored maps: take steps out'
        )


def _mistakes_of_halving(search: Mapping, overlay: dict, origin: str) -> Iterator[str]:
    """What is wrong with the factor of a successive halving: nothing, or one sentence."""
    factor = search.get('halving')
    if 'halving' in search and (type(factor) is not int or factor < 2):
        yield f'{origin}: halving is {factor!r}; give a whole number from 2 on: one trial in so many goes on'
    elif 'halving' in search and not refinement_space(search, overlay, origin):
        yield (
            f'{origin}: halving is {factor}, but no key of the space is of a refinement; trials of a training have '
            'steps: take halving out'
        )


def refinement_space(search: Mapping, overlay: dict, origin: str) -> dict[str, Any]:
    """The keys of a space whose values are tried on stored maps, with their values."""
    return {key: values for key, values in search['space'].items() if _of_refinement(overlay, str(key), origin)}


def network_space(search: Mapping, overlay: dict, origin: str) -> dict[str, Any]:
    """The other keys of a space: each trial of their values is a network of its own."""
    return {key: values for key, values in search['space'].items() if not _of_refinement(overlay, str(key), origin)}


def _of_refinement(overlay: dict, key: str, origin: str) -> bool:
    """Whether a key is a parameter of a refinement; so is one that has no place, which is refused elsewhere."""
    try:
        return place_of(overlay, key, origin)[: len(TRIED_WITHOUT_NETWORK)] == TRIED_WITHOUT_NETWORK
    except BadInput:
        return True


def _mistakes_of_values(values: Any, origin: str) -> Iterator[str]:
    """What is wrong with the values of one key: nothing, or one sentence."""
    if isinstance(values, (list, tuple)):
        if len(values) < 2 or any(values[n] in values[:n] for n in range(len(values))):
            yield f'{origin} is {values!r}; give two values or more, all different'
        if any(isinstance(value, Mapping) for value in values):
            yield f'{origin} holds a dict; give numbers, texts or lists of them, and search the keys of that dict'
        return
    if not isinstance(values, Mapping):
        yield f'{origin} is {values!r}; give a list of values, or dict(low=..., high=..., log=True)'
        return
    for name in sorted(map(str, values.keys() - set(RANGE))):
        yield f"{origin} has a field '{name}'{did_you_mean(name, RANGE)}; a range takes {', '.join(RANGE)}"
    low: Any = values.get('low')
    high: Any = values.get('high')
    if not _is_number(low) or not _is_number(high) or not low < high:
        yield f'{origin} has low={low!r}, high={high!r}; give two numbers, the lower one first'
    elif not isinstance(values.get('log', False), bool):
        yield f'{origin} has log={values["log"]!r}; give True or False'
    elif values.get('log') and low <= 0:
        yield f'{origin} has log=True and low={low!r}; the logarithm needs a number above 0'


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
