"""Warns of schedules, hooks and ramps that do not fit their training, and offers what to give on the command line."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import BadInput, some_of
from benchmarks.files import digest, read_json, write_json
from benchmarks.record import stack_name
from benchmarks.session.baseline import Baseline
from benchmarks.session.data import Data
from benchmarks.session.environment import library_versions
from benchmarks.session.stacks import Stacks
from benchmarks.stacks.merging import merge
from benchmarks.stacks.several_networks import has_teacher, members, teacher
from benchmarks.stacks.technique import Stack

if TYPE_CHECKING:
    from benchmarks.preflight.training_fit import TrainingMisfit  # which imports torch

VERSION = 1  # raise it when the check finds more than before: results of earlier checks are forgotten
STACKS_NAMED = 4


def schedule_warnings(stacks: Stacks, baseline: Baseline, data: Data, cache: Path) -> list[str]:
    """A warning for each way in which schedules do not fit a training of a grid.

    The check imports torch and mmengine, so its result is remembered until something changes on which it depends.

    Args:
        stacks: The stacks with their configs.
        baseline: The baseline.
        data: The data sets, whose sizes say how long an epoch is.
        cache: Folder of remembered checks.

    Raises:
        BadInput: mmengine would end a training, because of a schedule that does not fit it.
    """
    trainings = [
        (stack, network, _steps_per_epoch(network, data))
        for stack, config in stacks.paired.items()
        if stack not in stacks.layout.clean_stack_of
        for network in _trainings(config)
    ]
    memory = cache / f'schedules_{_signature(trainings, stacks, baseline)[:40]}.json'
    known = read_json(memory)
    if isinstance(known, list):
        return known
    warnings = _examined(trainings, stacks, baseline)
    write_json(memory, warnings)
    return warnings


def _signature(trainings: list[tuple[Stack, dict, int]], stacks: Stacks, baseline: Baseline) -> str:
    code = [stacks.code.modules_reached(config) for config in stacks.paired.values()]
    configs = [[stack, digest(network), steps] for stack, network, steps in trainings]
    return digest([VERSION, configs, code, baseline.raw, baseline.options, library_versions()])


def _examined(trainings: list[tuple[Stack, dict, int]], stacks: Stacks, baseline: Baseline) -> list[str]:
    """The warnings. Imports torch and mmengine."""
    from benchmarks.preflight.stack import import_and_register
    from benchmarks.preflight.training_fit import training_misfit
    from benchmarks.stacks.imports import quieten_mmengine

    quieten_mmengine()
    registries = import_and_register(stacks.techniques, baseline.with_protocol)
    known: dict[str, TrainingMisfit | None] = {}
    warnings: dict[str, list[Stack]] = {}
    errors: dict[str, list[Stack]] = {}
    given, first = merge(baseline.raw, baseline.options), None
    for stack, network, per_epoch in sorted(trainings, key=lambda training: bool(training[0])):  # the baseline first
        key = digest([network, per_epoch])
        if key not in known:
            known[key] = training_misfit(network, per_epoch, registries, stacks.code.acts_in_test_only)
        misfit = known[key]
        if misfit is None:
            continue
        if not stack:
            first = misfit, network
        elif first and misfit.changes.keys() <= first[0].changes.keys():
            misfit, network = first  # what does not fit in the baseline, and no more
        (errors if misfit.error else warnings).setdefault(_text(misfit, network, given), []).append(stack)
    every = {stack for stack, _, _ in trainings}
    if errors:
        raise BadInput(*(_about(text, owners, every) for text, owners in errors.items()))
    return [_about(text, owners, every) for text, owners in warnings.items()]


def _text(misfit: 'TrainingMisfit', network: dict, given: dict) -> str:
    ending = f'; mmengine would end the training: {misfit.error}' if misfit.error else ''
    return f'{misfit.text}{ending}{_offer(misfit.changes, network, given)}'


def _trainings(config: dict) -> Iterator[dict]:
    """The config of each training of a stack: of its networks and of their teachers."""
    for member in members(config):
        yield member.config
        if has_teacher(member.config):
            yield teacher(member.config)


def _steps_per_epoch(config: Mapping[str, Any], data: Data) -> int:
    """Iterations that go once through the training data; a data set that repeats another one is that much longer."""
    loader = config['train_dataloader']
    dataset, times = loader['dataset'], 1
    images = len(data.of(dataset).split.images)
    while isinstance(dataset, Mapping):
        times *= dataset.get('times') or 1
        dataset = dataset.get('dataset')
    batches = images * times / (loader.get('batch_size') or 1)
    whole = math.floor(batches) if loader.get('drop_last') else math.ceil(batches)
    return loader.get('num_batch_per_epoch') or max(whole, 1)


def _about(text: str, owners: list[Stack], every: set[Stack]) -> str:
    distinct = list(dict.fromkeys(owners))
    names = some_of([f"'{stack_name(stack)}'" for stack in distinct], STACKS_NAMED)
    which = '' if set(distinct) == every else f' of {names}'
    return f'the schedule{which} does not fit the training: {text}'


def _offer(changes: Mapping[str, Any], network: dict, given: dict) -> str:
    """The stretched schedule: as options for what the baseline sets, by name for what a technique sets."""
    options: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for path, value in changes.items():
        own = _path_in_baseline(path, network, given)
        (options if own else others)[own or path] = value
    words = [f'{path}={_word(value)}' for path, value in options.items()]
    text = f'. To stretch it, add --cfg-options {" ".join(words)}' if words else ''
    if others:
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
    mine, theirs = _at(network, parent), _at(given, parent)
    if not isinstance(theirs, Mapping) or mine.get('type') != theirs.get('type'):
        return None
    return path if theirs.get(key) == mine.get(key) else None


def _at(node: Any, path: str) -> Any:
    for step in path.split('.') if path else ():
        try:
            node = node[int(step)] if isinstance(node, (list, tuple)) else node[step]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return node


def _word(value: Any) -> str:
    """A value as ``--cfg-options`` reads it."""
    if isinstance(value, list):
        return ','.join(map(str, value)) + (',' if len(value) == 1 else '')
    return str(value)
