"""Trials of a row's network: values of its training or inference, each of which asks for a network of its own.

The techniques of a row are searched together: N trials of the row are N trials of each of them, and cost N trainings.
Each trial is a whole config, composed as a row with these values would be. So trials share trainings with the points of
a sweep, and the first trial is the row with the values of the files.

They stand under ``search`` of a stack's config (:mod:`benchmarks.stacks.tuning`)::

    training = dict(
        per='seed',                     # or 'stack'
        values=[{'focal': {}}, {'focal': {'model.decode_head.loss_decode.gamma': 4}}],  # by place in the overlay
        configs=[{}, {'model': ...}],   # of each trial the top-level keys in which it differs from the stack's config
        shorter=[{'train_cfg': ...}, ...],  # likewise of what the trial trains, where that is a part of the schedule
    )

Nothing here imports a framework.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.stacks.several_networks import SEARCH
from benchmarks.stacks.technique import Technique
from benchmarks.stacks.tuning import Values, joint_trials, per_of, training

NETWORK = 'training'  # the key of these trials under `search`
ALTERNATIVES = 'alternatives'  # in the config of a stage that takes the chosen one of several configs
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
    share = share_of_schedule(searched)
    found = dict(per=per_of(searched), values=values, configs=[changes(own, composed(trial, 1)) for trial in values])
    if share < 1:
        found['shorter'] = [changes(own, composed(trial, share)) for trial in values]
    return found


def share_of_schedule(techniques: Sequence[Technique]) -> float:
    """The share of the schedule that trials train: the largest that one of the techniques asks for."""
    return max(float((technique.search or {}).get('steps', 1)) for technique in techniques)


def searches_network(config: Mapping[str, Any]) -> bool:
    """Whether values of a stack's network are chosen."""
    return bool((config.get(SEARCH) or {}).get(NETWORK))


def trial_configs(config: Mapping[str, Any]) -> list[dict]:
    """The config of what each trial trains; empty for a stack whose network is not tuned."""
    if not searches_network(config):
        return []
    found = config[SEARCH][NETWORK]
    return [_changed(config, each) for each in found.get('shorter', found['configs'])]


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
    for part in ('configs', 'shorter'):
        if part in trials:
            trials[part] = [changes(own, change(_changed(config, each))) for each in trials[part]]
    return {**own, SEARCH: {**config[SEARCH], NETWORK: trials}}


def with_alternatives(config: dict, others: Sequence[Mapping[str, Any]]) -> dict:
    """The config of a stage that takes one of several configs."""
    return {**config, ALTERNATIVES: [changes(config, other) for other in others]}


def alternative(config: Mapping[str, Any], number: int | None) -> dict:
    """The config that a stage takes; without a number the stack's own one."""
    own = {key: value for key, value in config.items() if key != ALTERNATIVES}
    return own if number is None else {**own, **config[ALTERNATIVES][number]}


def values_told(trial: Mapping[str, Values]) -> Values:
    """The values of a trial by place in one dict; those of several techniques begin with its name."""
    several = len(trial) > 1
    return {f'{name}.{place}' if several else place: value for name, of in trial.items() for place, value in of.items()}
