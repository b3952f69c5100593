"""Checks every key and every stack of a grid, before anything is trained; remembers the result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.data.dataset_configs import without_pipelines
from benchmarks.errors import Mistakes, some_of
from benchmarks.files import digest, read_json, write_json
from benchmarks.plan.keys import with_weights_by_content
from benchmarks.record import TUNED_BASELINE, stack_name
from benchmarks.session.baseline import Baseline
from benchmarks.session.doing import Doing
from benchmarks.session.environment import library_versions
from benchmarks.session.settings import Settings
from benchmarks.session.stacks import Stacks
from benchmarks.session.tuning import variants_tried
from benchmarks.stacks.compose import compose
from benchmarks.stacks.imports import import_modules
from benchmarks.stacks.merging import merge
from benchmarks.stacks.network_trials import full_configs, trial_configs
from benchmarks.stacks.several_networks import has_teacher, members, teacher
from benchmarks.stacks.siblings import naming_sibling
from benchmarks.stacks.technique import Stack, Technique
from benchmarks.stacks.tuning import SEARCH, on_validation, trial_variants, tuned_name

if TYPE_CHECKING:
    from benchmarks.preflight.builds import BuiltOnce
    from benchmarks.preflight.legality import Registries

CHECKS_VERSION = 10  # raise it when a check finds more than before: results of earlier checks are forgotten
STACKS_NAMED = 3


@dataclass(frozen=True)
class Sizes:
    """How large the networks of a grid are, and how their initial weights fit.

    Args:
        parameters: The number of parameters, by the digest of the model's config.
        notes: Initial weights that leave parameters random.
    """

    parameters: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def of(self, config: dict) -> int:
        """The number of parameters of a config's model."""
        return self.parameters[digest(config['model'])]


def check_stacks(
    stacks: Stacks, baseline: Baseline, what: Doing | None = None, imported: Callable[[], object] | None = None
) -> Sizes:
    """Check that every key is legal and every stack builds. Imports torch and mmseg, and takes seconds.

    Args:
        stacks: The stacks with their configs.
        baseline: The baseline.
        what: Told how far the check is.
        imported: Called once all modules are imported.

    Raises:
        BadInput: Names each culprit and the cure, and the sibling of a technique if that fits.
    """
    from benchmarks.preflight.builds import check_builds
    from benchmarks.preflight.stack import check_options, import_and_register
    from benchmarks.preflight.void_label import check_void_label
    from benchmarks.stacks.imports import quieten_mmengine

    quieten_mmengine()
    base = baseline.with_protocol
    registries = import_and_register(stacks.techniques, base)
    if imported:
        imported()
    what = what or Doing('')
    what.now('checking every technique and stack')
    mistakes = Mistakes()
    with mistakes.noted():
        check_options(baseline.options, baseline.raw, merge(baseline.raw, baseline.options), registries)
    alone = _Alone(stacks, base, registries)
    techniques = _as_used(stacks)
    for technique in techniques:
        with mistakes.noted(), naming_sibling(technique, stacks.sibling_of, alone.check_all):
            alone.check_keys(technique)
    mistakes.refuse()
    with mistakes.noted():
        check_builds(base, 'the baseline')
    with mistakes.noted():
        check_void_label(base, 'the baseline', registries)
    mistakes.refuse()
    total = len(techniques) + len(stacks.unpaired)
    for done, technique in enumerate(techniques):
        what.advance(done, total)
        with mistakes.noted(), naming_sibling(technique, stacks.sibling_of, alone.check_all):
            alone.check_build(technique)
    mistakes.refuse()
    return _check_whole_stacks(stacks, registries, alone.built, what)


def _as_used(stacks: Stacks) -> list[Technique]:
    """The techniques with the values of their files, of their variants, and of the trials of those that are tuned."""
    tuned = {tuned_name(name): name for name in stacks.techniques if tuned_name(name) in stacks.techniques}
    used = [one for name, one in stacks.techniques.items() if name not in tuned and name != TUNED_BASELINE]
    trials = [trial for name in tuned.values() for trial in trial_variants(stacks.techniques[name], stacks.trials)]
    trials += variants_tried(stacks.unpaired.values(), stacks.techniques)
    return [*used, *{trial.name: trial for trial in trials}.values()]


class _Alone:
    """Checks techniques, each alone on the baseline.

    Args:
        stacks: The stacks with their techniques.
        base: The baseline's config under the protocol.
        registries: mmseg's registries.
    """

    def __init__(self, stacks: Stacks, base: dict, registries: 'Registries') -> None:
        from benchmarks.preflight.builds import BuiltOnce

        self.stacks, self.base, self.registries = stacks, base, registries
        self.built = BuiltOnce()
        self._configs: dict[str, dict] = {}

    def _config(self, technique: Technique) -> dict:
        name = technique.name
        if name not in self._configs:
            self._configs[name] = compose(self.base, (name,), {name: technique}, self.stacks.levels)
        return self._configs[name]

    def check_keys(self, technique: Technique) -> None:
        """Refuse keys that are not legal."""
        from benchmarks.preflight.stack import check_technique

        check_technique(technique, self.base, self._config(technique), self.registries)

    def check_build(self, technique: Technique) -> None:
        """Refuse a technique with which the baseline does not build."""
        from benchmarks.preflight.builds import check_builds

        check_builds(self._config(technique), f"the baseline with '{technique.name}'", self.built)

    def check_all(self, technique: Technique) -> None:
        """Refuse a technique that has not been imported yet for any of these reasons."""
        import_modules({technique.name: technique}, self.base)
        self.check_keys(technique)
        self.check_build(technique)


def _check_whole_stacks(stacks: Stacks, registries: 'Registries', built: 'BuiltOnce', what: Doing) -> Sizes:
    """Check that each stack builds. A stack that holds a refused one is left out: it has the same fault."""
    from benchmarks.preflight.stack import check_stack, check_weights

    parameters: dict[str, int] = {}
    notes: dict[str, list[str]] = {}  # the stacks of each note
    mistakes, refused, total = Mistakes(), list[Stack](), len(stacks.techniques) + len(stacks.unpaired)
    for done, (stack, config) in enumerate(stacks.unpaired.items(), len(stacks.techniques)):
        what.advance(done, total)
        if any(set(other) <= set(stack) for other in refused):
            continue
        known = len(mistakes.all)
        with mistakes.noted():
            origin = f"the stack '{stack_name(stack)}'"
            parameters |= check_stack(config, stacks.paired[stack], origin, registries, built=built)
            for note in check_weights(config, origin, built):
                notes.setdefault(note, []).append(stack_name(stack))
            for number, (trial, with_pairing) in enumerate(_trials(config, stacks.paired[stack]), 1):
                parameters |= check_stack(trial, with_pairing, f'{origin}, trial {number}', registries, built=built)
        if len(mistakes.all) > known:
            refused.append(stack)
    mistakes.refuse()
    return Sizes(parameters, tuple(f'{note} ({some_of(names, STACKS_NAMED)})' for note, names in notes.items()))


def _trials(unpaired: dict, paired: dict) -> list[tuple[dict, dict]]:
    """The config of each trial of a stack's network, before and after its training data are paired."""
    found = list(zip(full_configs(unpaired), full_configs(paired)))
    shorter = list(zip(trial_configs(unpaired), trial_configs(paired)))  # whose losses may know the number of steps
    return found if shorter == found else [*found, *shorter]


def check_test_samples(stacks: Stacks) -> None:
    """Load the first images of each distinct test data set, and let each loader draw; the files must have been checked.

    Raises:
        BadInput: Images cannot be loaded or scored, or a loader does not draw what is needed; names all such stacks.
    """
    from benchmarks.preflight.builds import check_test_sample
    from benchmarks.preflight.draws import check_test_draws, check_training_draws

    known, mistakes = set[str](), Mistakes()

    def once(check: Callable[[dict, str], None], config: dict, origin: str, *read: Any) -> None:
        key = digest([check.__name__, *read])
        if key not in known:
            with mistakes.noted():
                check(config, origin)
        known.add(key)

    for stack, config in stacks.paired.items():
        origin, loader = f"the stack '{stack_name(stack)}'", config['test_dataloader']
        once(check_test_sample, config, origin, loader['dataset'])
        once(check_test_draws, config, origin, without_pipelines(loader))
        if SEARCH in config:
            validated = on_validation(config)
            once(check_test_sample, validated, f'{origin}, validation', validated['test_dataloader']['dataset'])
        for member in members(config):
            networks = [member.config, *([teacher(member.config)] if has_teacher(member.config) else [])]
            for network in networks:
                read = [without_pipelines(network['train_dataloader']), network['train_cfg']]
                once(check_training_draws, network, origin + member.called, *read)
    mistakes.refuse()


def check_students(stacks: Stacks, baseline: Baseline) -> None:
    """Let each student read a label file as its teacher would write it.

    Raises:
        BadInput: The file cannot be read.
    """
    from benchmarks.preflight.label_files import check_label_files

    for stack, config in stacks.unpaired.items():
        for member in members(config):
            check_label_files(member.config, baseline.with_protocol, f"the stack '{stack_name(stack)}'")


def remembered_sizes(stacks: Stacks, baseline: Baseline, settings: Settings) -> Sizes | None:
    """The result of an earlier check of the same grid; None if there is none."""
    known = read_json(_memory(stacks, baseline, settings))
    return Sizes(known['parameters'], tuple(known['notes'])) if isinstance(known, dict) else None


def remember_sizes(sizes: Sizes, stacks: Stacks, baseline: Baseline, settings: Settings) -> None:
    """Remember that this grid is legal, until something changes on which that depends."""
    content = dict(parameters=dict(sizes.parameters), notes=list(sizes.notes))
    write_json(_memory(stacks, baseline, settings), content)


def _memory(stacks: Stacks, baseline: Baseline, settings: Settings) -> Path:
    """The file that remembers the check; its name is a digest of everything on which the result depends."""
    signature = digest(
        [
            CHECKS_VERSION,
            baseline.with_protocol,
            baseline.options,
            with_weights_by_content(list(stacks.unpaired.values())),
            library_versions(),
            settings.device,  # a part that needs a GPU builds where there is one
            [stacks.code.modules_reached(config) for config in stacks.paired.values()],
        ]
        + [[row.name, row.overlay, row.imports] for row in stacks.techniques.values()]
    )
    return settings.cache / f'legal_{signature[:40]}.json'
