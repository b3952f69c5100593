"""Warns of comparisons whose arms differ in more than their techniques declare."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from benchmarks.data.leaks import SCORED
from benchmarks.files import digest
from benchmarks.preflight.confounders import NOTABLE, Arm, drift
from benchmarks.preflight.control_arm import control_arm
from benchmarks.preflight.input_pixels import Inputs, input_pixels
from benchmarks.preflight.ready import ready_to
from benchmarks.record import AGAIN_DESIGN, CONTROL_DESIGN, stack_name
from benchmarks.run.launcher import LocalLauncher
from benchmarks.session.baseline import Baseline
from benchmarks.session.data import Data
from benchmarks.session.environment import library_versions
from benchmarks.session.legality import Sizes
from benchmarks.session.measured import measured
from benchmarks.session.network_operations import operations_of
from benchmarks.session.stacks import Stacks
from benchmarks.stacks.data_sets import data_sets
from benchmarks.stacks.several_networks import members
from benchmarks.stacks.technique import Stack

TESTS_OF_THE_GRID = (AGAIN_DESIGN, CONTROL_DESIGN)  # what they change is no candidate for an improvement
VERSION = 1  # raise it when the measurement of inputs changes: earlier ones are forgotten


def confounder_warnings(
    stacks: Stacks, baseline: Baseline, sizes: Sizes, data: Data, cache: Path, launcher: LocalLauncher
) -> list[str]:
    """A warning for each comparison whose arms drift apart beside their techniques.

    A drift that comes with some techniques is told once, for the comparison with the fewest techniques that shows it.

    Args:
        stacks: The stacks with their configs.
        baseline: The baseline.
        sizes: The numbers of parameters.
        data: The data sets.
        cache: Folder of what was measured before.
        launcher: Starts the processes that measure.
    """
    pixels = _pixels_of(stacks, baseline, data, cache, launcher)
    operations = operations_of(stacks, baseline, data, cache, launcher)
    layout = stacks.layout
    distinct = [stack for stack in layout.stacks if stack not in layout.again_of]
    arms = {stack: _arm(stacks, stack, baseline, sizes, data, pixels, operations.get(stack)) for stack in distinct}
    return list(warnings_of(stacks, arms))


def warnings_of(stacks: Stacks, arms: Mapping[Stack, Arm]) -> Iterator[str]:
    """The warnings, when the facts of all trainings are known."""
    layout, told = stacks.layout, list[set[str]]()
    pairs = dict.fromkeys(
        (one.stack, one.reference)
        for one in layout.comparisons
        if one.stack not in layout.clean_stack_of and one.design not in TESTS_OF_THE_GRID
    )
    for pair in sorted(pairs, key=lambda pair: len(set(pair[0]) ^ set(pair[1]))):
        # A row without a technique is told as the row with it.
        reference, stack = sorted(pair, key=len) if set(pair[0]) < set(pair[1]) else (pair[1], pair[0])
        apart = set(stack) ^ set(reference)
        if any(known <= apart for known in told):
            continue
        found = drift(arms[stack], arms[reference], [stacks.techniques[name] for name in sorted(apart)])
        if found.clauses:
            told.append(apart)
            cures = [f'. {cure}' for cure in found.cures]
            if found.compute >= NOTABLE:
                cures.append(f'. {control_arm(reference, found.compute, arms, stacks.techniques)}')
            yield (
                f"the row '{stack_name(stack)}' differs from '{stack_name(reference)}' in more than "
                f"'{stack_name(sorted(apart))}' declares: {'; '.join(found.clauses)}. A difference of scores may come "
                f'from that{"".join(cures)}'
            )


def _arm(
    stacks: Stacks,
    stack: Stack,
    baseline: Baseline,
    sizes: Sizes,
    data: Data,
    pixels: Mapping[str, float],
    operations: int | None,
) -> Arm:
    network = members(stacks.unpaired[stack])[0].config
    images = _images(stacks, stack, baseline, data)
    steps, of_inputs = _steps(network, images), pixels.get(_inputs_digest(network))
    return Arm(network, steps, images, sizes.of(network), of_inputs, operations)


def _images(stacks: Stacks, stack: Stack, baseline: Baseline, data: Data) -> int:
    """The number of images that a stack's first network learns from; those that a teacher labels count, too."""
    network = members(stacks.paired[stack])[0].config
    read = [data.of(config) for name, config in data_sets(network, baseline.with_protocol) if name not in SCORED]
    return len({image for part in read for image in part.split.images})


def _steps(config: dict, images: int) -> int | None:
    loop = config.get('train_cfg') or {}
    if loop.get('max_epochs'):
        return loop['max_epochs'] * -(-images // (config['train_dataloader'].get('batch_size') or 1))
    return loop.get('max_iters')


def _inputs_digest(config: dict) -> str:
    """What sets the inputs of two networks apart: their data and preprocessor."""
    return digest([config['train_dataloader']['dataset'], config['model'].get('data_preprocessor')])


def _pixels_of(
    stacks: Stacks, baseline: Baseline, data: Data, cache: Path, launcher: LocalLauncher
) -> dict[str, float]:
    """The pixels of an input, by the digest of what decides them; nothing if all stacks have the same inputs."""
    wanted: dict[str, tuple[Inputs, Path]] = {}
    for stack, config in stacks.unpaired.items():
        network, paired = members(config)[0].config, members(stacks.paired[stack])[0].config
        preprocessor = network['model'].get('data_preprocessor')
        if preprocessor:
            train = network['train_dataloader']['dataset']
            images = len(data.of(paired['train_dataloader']['dataset']).split.images)
            code = stacks.code.modules_reached([train, preprocessor])
            memory = digest([VERSION, train, preprocessor, images, code, library_versions()])[:40]
            inputs = Inputs(train, preprocessor, images)
            wanted.setdefault(_inputs_digest(network), (inputs, cache / f'inputs_{memory}.json'))
    if len(wanted) < 2:
        return {}
    prepare = partial(ready_to, input_pixels, stacks.techniques, baseline.with_protocol)
    answers = measured(wanted, prepare, launcher)
    return {key: pixels for key, pixels in answers.items() if pixels is not None}
