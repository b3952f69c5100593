"""Warns of schedules, hooks and ramps that do not fit their training, and offers what to give on the command line."""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import BadInput, some_of
from benchmarks.files import digest, read_json, write_json
from benchmarks.record import stack_name
from benchmarks.session.baseline import Baseline
from benchmarks.session.data import Data
from benchmarks.session.environment import library_versions
from benchmarks.session.stacks import Stacks
from benchmarks.session.stretch_offer import offer, with_those_it_has
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

    def misfit_of(network: dict, per_epoch: int) -> 'TrainingMisfit | None':
        key = digest([network, per_epoch])
        if key not in known:
            known[key] = training_misfit(network, per_epoch, registries, stacks.code.acts_in_test_only)
        return known[key]

    given, first = merge(baseline.raw, baseline.options), None
    warnings: dict[str, list[Stack]] = {}
    errors: dict[str, list[Stack]] = {}
    for stack, network, per_epoch in sorted(trainings, key=lambda training: bool(training[0])):  # the baseline first
        for misfit, of in _told(network, per_epoch, misfit_of, first):
            ending = f'; mmengine would end the training: {misfit.error}' if misfit.error else ''
            text = f'{misfit.text}{ending}{offer(misfit.changes, of, given)}'
            (errors if misfit.error else warnings).setdefault(text, []).append(stack)
            first = first if stack else (misfit, of)
    every = {stack for stack, _, _ in trainings}
    if errors:
        raise BadInput(*(_about(text, owners, every) for text, owners in errors.items()))
    return [_about(text, owners, every) for text, owners in warnings.items()]


Found = tuple['TrainingMisfit', dict]  # with the config in which it was found


def _told(
    network: dict, per_epoch: int, misfit_of: Callable[[dict, int], 'TrainingMisfit | None'], first: Found | None
) -> list[Found]:
    """What to tell of a training: what does not fit in the baseline either, once for all, and what is its own."""
    misfit = misfit_of(network, per_epoch)
    if misfit is None or first is None:
        return [] if misfit is None else [(misfit, network)]
    if misfit.changes and misfit.changes.keys() <= first[0].changes.keys():
        return [first]
    rest = misfit_of(with_those_it_has(network, first[0].changes), per_epoch)
    shared = rest is None or rest.text != misfit.text
    return [first] * shared + ([] if rest is None else [(rest, network)])


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
