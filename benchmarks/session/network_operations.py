"""The operations that the networks of a grid need for a test image, each distinct one counted once."""

from functools import partial
from pathlib import Path

from benchmarks.files import digest
from benchmarks.preflight.network_operations import Inference, network_operations
from benchmarks.preflight.ready import ready_to
from benchmarks.run.launcher import LocalLauncher
from benchmarks.session.baseline import Baseline
from benchmarks.session.data import Data
from benchmarks.session.environment import library_versions
from benchmarks.session.measured import measured
from benchmarks.session.stacks import Stacks
from benchmarks.stacks.several_networks import members
from benchmarks.stacks.technique import Stack

VERSION = 1  # raise it when operations are counted otherwise: earlier counts are forgotten


def operations_of(
    stacks: Stacks, baseline: Baseline, data: Data, cache: Path, launcher: LocalLauncher
) -> dict[Stack, int]:
    """The operations of each stack's network, of an ensemble the first member's, where they can be counted.

    A stack under a condition is left out, because it has the network of the same stack without it. Nothing is counted
    if all stacks have the same network and the same test data.

    Args:
        stacks: The stacks with their configs.
        baseline: The baseline.
        data: The data sets.
        cache: Folder of what was counted before.
        launcher: Starts the processes that count.
    """
    wanted: dict[str, tuple[Inference, Path]] = {}
    name_of: dict[Stack, str] = {}
    for stack, config in stacks.unpaired.items():
        if stack in stacks.layout.clean_stack_of:
            continue
        parts = [members(config)[0].config['model'], config['test_dataloader']['dataset']]
        content = data.of(stacks.paired[stack]['test_dataloader']['dataset']).fingerprint
        name = digest([VERSION, *parts, content, stacks.code.modules_reached(parts), library_versions()])[:40]
        wanted.setdefault(name, (Inference(*parts), cache / f'operations_{name}.json'))
        name_of[stack] = name
    if len(wanted) < 2:
        return {}
    prepare = partial(ready_to, network_operations, stacks.techniques, baseline.with_protocol)
    answers = measured(wanted, prepare, launcher)
    return {stack: answers[name] for stack, name in name_of.items() if answers[name]}
