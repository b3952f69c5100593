"""Trials of a row's network: values of its training or inference, each of which asks for a network of its own.

The techniques of a row are searched together: N trials of the row are N trials of each of them, and cost N trainings.
Each trial is a whole config, composed as a row with these values would be. So trials share trainings with the points of
a sweep, and the first trial is the row with the values of the files.

They stand under ``search`` of a stack's config (:mod:`benchmarks.stacks.tuning`)::

    training = dict(
        per='seed',                     # or 'stack'
        values=[{'focal': {}}, {'focal': {'model.decode_head.loss_decode.gamma': 4}}],  # by place in the overlay
        configs=[{}, {'model': ...}],   # of each trial the top-level keys in which it differs from the stack's config
        # Likewise of what the trials train, where that is a part of the schedule, or several in turn.
        rounds=[dict(share=0.25, configs=[{'train_cfg': ...}, ...])],
    )

Nothing here imports a framework.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.stacks.search import FEWEST_TRIALS
from benchmarks.stacks.several_networks import SEARCH
from benchmarks.stacks.technique import Technique
from benchmarks.stacks.tuning import Values, joint_trials, per_of, training

NETWORK = 'training'  # the key of these trials under `search`
ALTERNATIVES = 'alternatives'  # in the config of a stage that takes the chosen one of several configs
RANK = 'rank'  # in such a config: which of the trials that go on is taken, where several do
Changes = dict[str, Any]


def changes(config: Mapping[str, Any], other: Mapping[str, Any]) -> Changes:
    """The top-level keys of ``other`` whose values are not those of ``config``."""
    return {key: value for key, value in other.items() if key not in config or config[key] != value}


def network_trials(
    techniques: Sequence[Technique],
    number: int,
    own: Mapping[str, Any],
    composed: Callable[[Mapping[str, Values], float], dict],
) -> dict:
    """The trials of a row's network.

    Args:
        techniques: The techniques of the row that are tuned, under their own names; those that search refinements alone
            are left out.
        number: The number of trials.
        own: The config of the row, with the values of the files.
        composed: From the values of each technique, and the share of the schedule, to the config of the row with them.

    Returns:
        The dict above; empty if no technique searches values of the network.
    """
    searched = [one for technique in techniques if (one := training(technique))]
    if not searched:
        return {}
    values = joint_trials(searched, number)
    shares = shares_of_schedule(searched)
    found = dict(per=per_of(searched), values=values, configs=[changes(own, composed(trial, 1)) for trial in values])
    if shares != [1]:
        found['rounds'] = [
            dict(share=share, configs=[changes(own, composed(trial, share)) for trial in values]) for share in shares
        ]
    return found


def shares_of_schedule(techniques: Sequence[Technique]) -> list[float]:
    """The share of the schedule that trials train in each round: the longest that one of the techniques asks for."""
    asked = [(technique.search or {}).get('steps', 1) for technique in techniques]
    return max([float(share) for share in (one if isinstance(one, (list, tuple)) else [one])] for one in asked)


def going_on(trials: int, shares: Sequence[float]) -> list[int]:
    """The number of trials of each round: as many steps are trained in each as in the first, but for rounding.

    Example:
        >>> going_on(20, [0.1, 0.3, 1])
        [20, 7, 2]
    """
    return [min(trials, max(FEWEST_TRIALS, math.ceil(round(trials * shares[0] / share, 6)))) for share in shares]


def searches_network(config: Mapping[str, Any]) -> bool:
    """Whether values of a stack's network are chosen."""
    return bool((config.get(SEARCH) or {}).get(NETWORK))


def trial_configs(config: Mapping[str, Any]) -> list[dict]:
    """The config of what each trial trains, in the first round; empty for a stack whose network is not tuned."""
    return next((configs for _, configs in round_configs(config)), [])


def round_configs(config: Mapping[str, Any]) -> list[tuple[float, list[dict]]]:
    """Of each round the share of the schedule, and the config of what each trial would train in it."""
    if not searches_network(config):
        return []
    found = config[SEARCH][NETWORK]
    rounds = found.get('rounds', [dict(share=1.0, configs=found['configs'])])
    return [(one['share'], [_changed(config, each) for each in one['configs']]) for one in rounds]


def full_configs(config: Mapping[str, Any]) -> list[dict]:
    """The config of the row with the values of each trial, trained to the end."""
    return [_changed(config, each) for each in config[SEARCH][NETWORK]['configs']] if searches_network(config) else []


def _changed(config: Mapping[str, Any], changed: Changes) -> dict:
    return {**{key: value for key, value in config.items() if key != SEARCH}, **changed}


def each_trial(config: dict, change: Callable[[dict], dict]) -> dict:
    """The config with ``change`` applied to it, and to the config of each trial of its network."""
    if not searches_network(config):
        return change(config)
    own = change({key: value for key, value in config.items() if key != SEARCH})
    trials = dict(config[SEARCH][NETWORK])
    trials['configs'] = [changes(own, change(_changed(config, each))) for each in trials['configs']]
    if 'rounds' in trials:
        trials['rounds'] = [
            one | dict(configs=[changes(own, change(_changed(config, each))) for each in one['configs']])
            for one in trials['rounds']
        ]
    return {**own, SEARCH: {**config[SEARCH], NETWORK: trials}}


def with_alternatives(config: dict, others: Sequence[Mapping[str, Any]], rank: int | None = None) -> dict:
    """The config of a stage that takes one of several configs: the chosen one, or that of a rank."""
    ranked = {} if rank is None else {RANK: rank}
    return {**config, ALTERNATIVES: [changes(config, other) for other in others], **ranked}


def alternative(config: Mapping[str, Any], number: int | None) -> dict:
    """The config that a stage takes; without a number the stack's own one."""
    own = {key: value for key, value in config.items() if key not in (ALTERNATIVES, RANK)}
    return own if number is None else {**own, **config[ALTERNATIVES][number]}


def values_told(trial: Mapping[str, Values]) -> Values:
    """The values of a trial by place in one dict; those of several techniques begin with its name."""
    several = len(trial) > 1
    return {f'{name}.{place}' if several else place: value for name, of in trial.items() for place, value in of.items()}
