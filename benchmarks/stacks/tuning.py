"""Tuned techniques: the trials of a technique's ``search``, and the config of a stack whose values are still to choose.

The first trial has the values of the technique's file. So the number of trials is the whole budget, and a choice is
never worse on the validation images than no choice. The others are all combinations of the space where these are not
more than the budget, or else distinct random draws. Draws depend on the technique's name and space alone: a larger
budget begins with the trials of a smaller one.

A stack with a tuned technique has the key ``search`` in its config::

    search = dict(
        per='seed',                                             # or 'stack'
        data=dict(type=..., ...),                               # the validation data set, loaded as the test images are
        trials={'crf': [{}, {'inference.refine.crf.iterations': 1}]},   # of each technique, by place in the config
        halving={'crf': 3},                             # of the techniques that have it
        training=dict(...),                             # of the network (benchmarks.stacks.network_trials)
    )

Nothing here imports a framework.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from random import Random
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.stacks.places import place_of, with_value
from benchmarks.stacks.search import PER_SEED, PER_STACK, network_space, refinement_space
from benchmarks.stacks.several_networks import SEARCH
from benchmarks.stacks.technique import Technique
from benchmarks.stacks.tree import walk
from benchmarks.stacks.variants import Variant, text_of, varied

Values = dict[str, Any]  # the value of each parameter, by its dotted path in a config; empty for the file's own values
DIGITS = 3  # of a number that is drawn from a range
_TUNED = '[tuned]'
MOST_DRAWS = 1000  # for each trial; a space may hold fewer distinct values than its size says


def tuned_name(technique: str) -> str:
    """The name of a tuned technique in stacks."""
    return f'{technique}{_TUNED}'


def is_tuned_name(name: str) -> bool:
    """Whether a name in a stack is that of a tuned technique."""
    return name.endswith(_TUNED)


def tuned(technique: Technique) -> Technique:
    """The technique under the name of its tuned row."""
    return replace(technique, name=tuned_name(technique.name), title=f'{technique.title}, tuned')


def refining(technique: Technique) -> Technique | None:
    """The technique with a search among values of refinements alone; None if it searches none."""
    return _searching(technique, refinement_space)


def training(technique: Technique) -> Technique | None:
    """The technique with a search among all other values, each trial of which is a network; None if there are none."""
    return _searching(technique, network_space)


def _searching(technique: Technique, part: Callable[[Mapping, dict, str], dict[str, Any]]) -> Technique | None:
    if not technique.search:
        return None
    space = part(technique.search, technique.overlay, f"technique '{technique.name}': search")
    return replace(technique, search={**technique.search, 'space': space}) if space else None


def trials_of(technique: Technique, number: int) -> list[Values]:
    """The trials of a technique, at most so many; the first one has the values of its file.

    Raises:
        BadInput: The technique has no ``search``.
    """
    return [trial[technique.name] for trial in joint_trials([technique], number)]


def joint_trials(techniques: Sequence[Technique], number: int) -> list[dict[str, Values]]:
    """The trials of techniques that are searched together, at most so many: of each trial the values by technique.

    The space of several techniques is the product of theirs. The first trial has the values of their files.

    Raises:
        BadInput: A technique has no ``search``.
    """
    space: dict[str, Any] = {}
    own: Values = {}
    places: dict[str, tuple[str, str]] = {}
    for technique in techniques:
        if not technique.search:
            raise BadInput(f"technique '{technique.name}' has no field 'search', so there is nothing to tune in it")
        file_has = {'.'.join(map(str, path)): node for path, node in walk(technique.overlay)}
        for key, values in technique.search['space'].items():
            place = '.'.join(place_of(technique.overlay, key, f"technique '{technique.name}': search"))
            key = key if len(techniques) == 1 else f'{technique.name}: {key}'
            space[key], places[key] = values, (technique.name, place)
            if place in file_has:
                own[key] = file_has[place]
    others = _combinations(space, own, number - 1)
    if others is None:
        others = _draws(space, own, '+'.join(technique.name for technique in techniques), number - 1)
    return [{one.name: {} for one in techniques}, *(_by_technique(trial, places) for trial in others)]


def _by_technique(trial: Values, places: Mapping[str, tuple[str, str]]) -> dict[str, Values]:
    found: dict[str, Values] = {}
    for key, value in trial.items():
        name, place = places[key]
        found.setdefault(name, {})[place] = value
    return found


def _combinations(space: Mapping[str, Any], own: Values, most: int) -> list[Values] | None:
    """All combinations of a space but the technique's own values; None if they are more than ``most``, or no end."""
    options = [_all_values(values) for values in space.values()]
    finite = [values for values in options if values is not None]
    if len(finite) < len(options) or math.prod(map(len, finite)) > most + 1:
        return None
    combinations = [dict(zip(space, values)) for values in product(*finite)]
    others = [trial for trial in combinations if trial != own]
    return others if len(others) <= most else None


def _draws(space: Mapping[str, Any], own: Values, name: str, number: int) -> list[Values]:
    """Distinct random draws from a space, none of them the technique's own values."""
    random = Random(json.dumps([name, {key: _plain(values) for key, values in space.items()}], default=repr))
    drawn: dict[str, Values] = {}
    for _ in range(MOST_DRAWS * number):
        trial = {key: _draw(values, random) for key, values in space.items()}
        if trial != own:
            drawn.setdefault(repr(trial), trial)
        if len(drawn) == number:
            break
    return list(drawn.values())


def _plain(values: Any) -> Any:
    return dict(values) if isinstance(values, Mapping) else list(values)


def _all_values(values: Any) -> Sequence | None:
    """The values of a key; None for a range of numbers with a point."""
    if not isinstance(values, Mapping):
        return list(values)
    low, high = values['low'], values['high']
    return range(low, high + 1) if isinstance(low, int) and isinstance(high, int) else None


def _draw(values: Any, random: Random) -> Any:
    share = random.random()  # the only method of Random whose numbers Python promises to keep
    if not isinstance(values, Mapping):
        return list(values)[int(share * len(values))]
    low, high = values['low'], values['high']
    whole = isinstance(low, int) and isinstance(high, int)
    if values.get('log'):
        value = low * (high / low) ** share
    else:
        value = low + (high + whole - low) * share
    value = math.floor(value) if whole else float(f'{value:.{DIGITS}g}')
    return min(max(value, low), high)


def search_config(techniques: Sequence[Technique], number: int, data: Mapping[str, Any]) -> dict:
    """The key ``search`` of a stack's config, as far as it is about refinements.

    Args:
        techniques: The techniques of the stack that are tuned, under their own names.
        number: The number of trials of each.
        data: The config of the validation data set.
    """
    searched = [one for technique in techniques if (one := refining(technique))]
    trials = {one.name: trials_of(one, number) for one in searched}
    halving = {one.name: one.search['halving'] for one in searched if one.search and 'halving' in one.search}
    return dict(per=per_of(searched), data=data, trials=trials, **(dict(halving=halving) if halving else {}))


def per_of(techniques: Sequence[Technique]) -> str:
    """Whether techniques choose for each seed, or once for all seeds, which all of them must ask for."""
    every = {(technique.search or {}).get('per', PER_SEED) for technique in techniques}
    return PER_STACK if every == {PER_STACK} else PER_SEED


def trial_variants(technique: Technique, number: int) -> Iterator[Technique]:
    """The technique with the values of each trial but the first, under a name that says them."""
    for part in filter(None, (training(technique), refining(technique))):
        for values in trials_of(part, number)[1:]:
            yield tried(technique, values)


def tried(technique: Technique, values: Values) -> Technique:
    """The technique with the values of a trial, under a name that says them; itself for its own values."""
    if not values:
        return technique
    return varied(technique, Variant(technique.name, values, {key: text_of(value) for key, value in values.items()}))


def with_values(config: dict, values: Mapping[str, Any]) -> dict:
    """A config, or a part of one, with the values of a trial."""
    for path, value in values.items():
        config = with_value(config, tuple(path.split('.')), value, f'the trial of {path}')
    return config


def without_search(config: dict) -> dict:
    """A config without its key ``search``: what runs a network or a refinement reads values, not trials."""
    return {key: value for key, value in config.items() if key != SEARCH}


def on_validation(config: dict) -> dict:
    """The config with the validation images in the place of the test images; it names no test image."""
    return {**config, 'test_dataloader': {**config['test_dataloader'], 'dataset': config[SEARCH]['data']}}
