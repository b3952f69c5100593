"""Checks every key and every stack of a grid, before anything is trained; remembers the result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.errors import Mistakes
from benchmarks.files import digest, read_json, write_json
from benchmarks.record import stack_name
from benchmarks.session.baseline import Baseline
from benchmarks.session.doing import Doing
from benchmarks.session.environment import library_versions
from benchmarks.session.settings import Settings
from benchmarks.session.stacks import Stacks
from benchmarks.stacks.compose import compose
from benchmarks.stacks.merging import merge

CHECKS_VERSION = 6  # raise it when a check finds more than before: results of earlier checks are forgotten


@dataclass(frozen=True)
class Sizes:
    """How large the networks of a grid are.

    Args:
        parameters: The number of parameters, by the digest of the model's config.
    """

    parameters: Mapping[str, int] = field(default_factory=dict)

    def of(self, config: dict) -> int:
        """The number of parameters of a config's model."""
        return self.parameters[digest(config['model'])]


def check_stacks(stacks: Stacks, baseline: Baseline, what: Doing | None = None) -> Sizes:
    """Check that every key is legal and every stack builds. Imports torch and mmseg, and takes seconds.

    Args:
        stacks: The stacks with their configs.
        baseline: The baseline.
        what: Told how far the check is.

    Raises:
        BadInput: Names the culprit and the cure.
    """
    from benchmarks.preflight.builds import BuiltOnce, check_builds
    from benchmarks.preflight.stack import check_options, check_stack, check_technique, import_and_register
    from benchmarks.preflight.void_label import check_void_label
    from benchmarks.stacks.imports import quieten_mmengine

    quieten_mmengine()
    base = baseline.with_protocol
    registries = import_and_register(stacks.techniques, base)
    what = what or Doing('')
    what.now('checking every technique and stack')
    total, mistakes = len(stacks.techniques) + len(stacks.unpaired), Mistakes()
    with mistakes.noted():
        check_options(baseline.options, baseline.raw, merge(baseline.raw, baseline.options), registries)
    each_alone = {name: compose(base, (name,), stacks.techniques, stacks.levels) for name in stacks.techniques}
    for name, alone in each_alone.items():
        with mistakes.noted():
            check_technique(stacks.techniques[name], base, alone, registries)
    mistakes.refuse()
    check_builds(base, 'the baseline')
    check_void_label(base, 'the baseline', registries)
    parameters: dict[str, int] = {}
    built = BuiltOnce()
    for done, (name, alone) in enumerate(each_alone.items()):
        what.advance(done, total)
        check_builds(alone, f"the baseline with '{name}'", built)
    for done, (stack, config) in enumerate(stacks.unpaired.items(), len(stacks.techniques)):
        what.advance(done, total)
        origin = f"the stack '{stack_name(stack)}'"
        parameters |= check_stack(config, stacks.paired[stack], origin, registries, built=built)
    return Sizes(parameters)


def check_test_samples(stacks: Stacks) -> None:
    """Load the first image of each distinct test data set; its files must have been checked before.

    Raises:
        BadInput: The image cannot be loaded or scored.
    """
    from benchmarks.preflight.builds import check_test_sample

    tested = set()
    for stack, config in stacks.paired.items():
        key = digest(config['test_dataloader']['dataset'])
        if key not in tested:
            check_test_sample(config, f"the stack '{stack_name(stack)}'")
        tested.add(key)


def remembered_sizes(stacks: Stacks, baseline: Baseline, settings: Settings) -> Sizes | None:
    """The result of an earlier check of the same grid; None if there is none."""
    known = read_json(_memory(stacks, baseline, settings))
    return Sizes(known) if isinstance(known, dict) else None


def remember_sizes(sizes: Sizes, stacks: Stacks, baseline: Baseline, settings: Settings) -> None:
    """Remember that this grid is legal, until something changes on which that depends."""
    write_json(_memory(stacks, baseline, settings), dict(sizes.parameters))


def _memory(stacks: Stacks, baseline: Baseline, settings: Settings) -> Path:
    """The file that remembers the check; its name is a digest of everything on which the result depends."""
    signature = digest(
        [
            CHECKS_VERSION,
            baseline.with_protocol,
            baseline.options,
            list(stacks.unpaired.values()),
            library_versions(),
            settings.device,  # a part that needs a GPU builds where there is one
            [stacks.code.modules_reached(config) for config in stacks.paired.values()],
        ]
        + [[row.name, row.overlay, row.imports] for row in stacks.techniques.values()]
    )
    return settings.cache / f'legal_{signature[:40]}.json'
