"""From flags and files to a checked plan: everything that can be wrong with the input is found here."""

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.data.checks import check_split, leak_notes
from benchmarks.data.file_facts import FileStore
from benchmarks.data.fingerprint import fingerprint, names_digest
from benchmarks.data.split import Split, cached_split, remembered_split
from benchmarks.errors import BadInput
from benchmarks.files import digest, read_json, write_json
from benchmarks.plan.designs import Layout, lay_out
from benchmarks.plan.grid import Grid
from benchmarks.plan.plan import Plan
from benchmarks.plan.planner import KeyContext, make_plan
from benchmarks.preflight.conditions import refuse_other_conditions
from benchmarks.preflight.initial_weights import check_initial_weights
from benchmarks.record import stack_name
from benchmarks.run.child_process import ChildProcess
from benchmarks.session.environment import environment
from benchmarks.stacks.compose import (
    compose,
    compose_all,
    load_config,
    nested,
    refuse_dead_keys,
    set_data_root,
    strip_helpers,
)
from benchmarks.stacks.feature_levels import remembered_levels
from benchmarks.stacks.imports import quieten_mmengine
from benchmarks.stacks.marks import leaves
from benchmarks.stacks.merging import merge
from benchmarks.stacks.plugin_code import PluginCode
from benchmarks.stacks.protocol import apply_protocol, pair_training_data
from benchmarks.stacks.several_networks import ENSEMBLE, data_sets, each_training, members
from benchmarks.stacks.technique import Stack, Technique, load_techniques
from benchmarks.stages.parents import LABELS

# Stack names are names of files, with a seed and a suffix behind them; file systems allow 255 bytes.
LONGEST_STACK_NAME = 200
CHECKS_VERSION = 5  # raise it when `Experiment.check` finds more than before: what was found legal is forgotten
# What a flag decides, whatever the config says.
DECIDED_BY_FLAGS = {('work_dir',): '--work-dir', ('randomness', 'seed'): '--seeds'}
LIBRARIES = dict(torch=('torch',), mmseg=('onedl-mmsegmentation', 'mmsegmentation'))


@dataclass(frozen=True)
class Settings:
    """What the command line says beyond the grid.

    Args:
        work_dir: Holds the stage store and caches.
        configs: The folder ``configs/`` of this checkout.
        device: ``cpu`` or ``cuda``.
        seeds: How many seeds, or None for the grid's own number.
        data_root: Set on every split, or None.
        cfg_options: Flat dotted keys → values for the baseline.
    """

    work_dir: Path
    configs: Path
    device: str
    seeds: int | None = None
    data_root: str | None = None
    cfg_options: Mapping[str, Any] | None = None


class Experiment:
    """A grid with its configs, data and plan.

    Args:
        grid: What to run.
        settings: How.

    Raises:
        BadInput: From :meth:`check` and :attr:`plan`, for everything that cannot be run.
    """

    def __init__(self, grid: Grid, settings: Settings) -> None:
        self.grid, self.settings = grid, settings
        count = grid.seeds if settings.seeds is None else settings.seeds
        if count < 1:
            raise BadInput(f'{count} seeds cannot be run; give at least 1 (--seeds N, or seeds in the grid)')
        self.seeds = list(range(count))
        self.cache = settings.work_dir / 'cache'
        self._notes: list[str] = []
        self.environment = environment()  # as it is before anything is written, which would make the checkout dirty
        self.layout: Layout = lay_out(grid.designs)
        self._refuse_long_names()
        names = sorted({name for stack in self.layout.stacks for name in stack})
        self.techniques: dict[str, Technique] = load_techniques(settings.configs / 'techniques', names)
        self.protocol = load_config(settings.configs / '_base_' / 'protocol.py')
        self._refuse_unknown_published()
        self._refuse_missing_device()
        self.baseline, self.base = self._base()
        self.levels = remembered_levels(self.cache, library_versions())
        self.composed = compose_all(self.base, self.layout.stacks, self.techniques, self.levels)
        self.configs = {
            stack: each_training(config, lambda one: pair_training_data(one, self.protocol))
            for stack, config in self.composed.items()
        }
        self.code = PluginCode(
            module for config in self.configs.values() for module in config['custom_imports']['imports']
        )

    def _refuse_long_names(self) -> None:
        for stack in self.layout.stacks:
            name = stack_name(stack)
            size = len(name.encode())
            if size > LONGEST_STACK_NAME:
                raise BadInput(
                    f"the stack '{name}' has a name of {size} bytes, and files are called by it; give its "
                    f'techniques shorter names (of their files in configs/techniques), so that together '
                    f'they have at most {LONGEST_STACK_NAME}'
                )

    def _refuse_unknown_published(self) -> None:
        known = [stack_name(stack) for stack in self.layout.stacks]
        for name in self.grid.published_dice:
            if name not in known:
                raise BadInput(
                    f"published_dice of the grid names the stack '{name}', which no design has "
                    f'(stacks: {", ".join(known)})'
                )

    def _refuse_missing_device(self) -> None:
        if self.settings.device.startswith('cuda'):
            return
        for technique in self.techniques.values():
            if technique.device == 'cuda':
                raise BadInput(
                    f"technique '{technique.name}' needs a GPU, but the grid runs on the CPU; "
                    f'take it out of the grid, or run with --device cuda'
                )

    def _base(self) -> tuple[dict, dict]:
        """The baseline's config with the command line's changes, and the same under the protocol."""
        whole = load_config(self.grid.baseline)
        for key in ('model', 'train_dataloader', 'test_dataloader', 'train_cfg', 'optim_wrapper'):
            if not whole.get(key):
                raise BadInput(f"the baseline {self.grid.baseline} lacks '{key}', so it cannot be trained and tested")
        config = strip_helpers(whole)
        if config['test_dataloader'].get('dataset') == (config.get('val_dataloader') or {}).get('dataset'):
            self._notes.append(
                'the baseline tests on its validation split: choices made on validation scores are choices '
                'made on the test; the grid uses the last checkpoint of every arm'
            )
        if self.settings.data_root:
            config = set_data_root(config, self.settings.data_root)
        self.options = nested(self.settings.cfg_options or {}, whole)
        refuse_dead_keys(self.options, whole, '--cfg-options')
        self._refuse_dead_options(config, whole)
        changed = merge(config, self.options)
        under_protocol, notes = apply_protocol(changed, self.protocol, self.settings.device)
        self._notes += notes
        return config, under_protocol

    def _refuse_dead_options(self, config: dict, whole: dict) -> None:
        """Refuse each of --cfg-options without which every cell's config would be the same."""
        given = self.settings.cfg_options or {}

        def under_protocol(options: Mapping[str, Any]) -> str:
            changed = merge(config, nested(options, whole))
            return digest(apply_protocol(changed, self.protocol, self.settings.device)[0])

        with_all = under_protocol(given)
        for dotted, value in given.items():
            overlay = nested({dotted: value}, whole)
            for path, flag in DECIDED_BY_FLAGS.items():
                if any(leaf[: len(path)] == path for leaf in leaves(overlay, '')):
                    raise BadInput(f'--cfg-options {dotted}: setting it changes nothing, {flag} decides it')
            if under_protocol({key: kept for key, kept in given.items() if key != dotted}) != with_all:
                continue
            if digest(merge(config, overlay)) == digest(config):
                raise BadInput(f'--cfg-options {dotted}: the baseline already has the value {value!r}; leave it out')
            raise BadInput(
                f'--cfg-options {dotted}: setting it changes nothing, because the protocol that every arm '
                f'gets decides it (configs/_base_/protocol.py) or another option does; leave it out'
            )

    @property
    def notes(self) -> list[str]:
        """What the user should know of the baseline and its data."""
        return [*self._notes, *self._data[1]]

    @property
    def _splits(self) -> dict[str, tuple[Split, str]]:
        """Each distinct data set's listing and fingerprint, by the digest of its config."""
        return self._data[0]

    @cached_property
    def _data(self) -> tuple[dict[str, tuple[Split, str]], list[str]]:
        """The splits, each of which is checked once, and notes on them."""
        found: dict[str, tuple[Split, str]] = {}
        with FileStore(self.cache) as files:
            for config in self.configs.values():
                for name, dataset in data_sets(config, self.base):
                    key = digest(dataset)
                    if key in found:
                        continue
                    split = cached_split(name, dataset, self.cache, imports=config['custom_imports']['imports'])
                    check_split(split, _num_classes(config, split), files)
                    found[key] = split, fingerprint(split, files)
            return found, leak_notes({name: self._of(found, name) for name in ('train', 'test')}, files)

    def _of(self, found: dict, name: str) -> Split:
        return found[digest(self._dataset(name))][0]

    def _dataset(self, name: str) -> dict:
        """The config of the first stack's ``train`` or ``test`` data set; of an ensemble's trainings the first."""
        return members(self.configs[self.layout.stacks[0]])[0].config[f'{name}_dataloader']['dataset']

    def split(self, name: str) -> Split:
        """The first stack's ``train`` or ``test`` split."""
        return self._of(self._splits, name)

    def fingerprint(self, name: str) -> str:
        """Digest of the content of the first stack's ``train`` or ``test`` split."""
        return self._splits[digest(self._dataset(name))][1]

    def test_pixels(self) -> int:
        """Pixels of all test images together (0 for formats whose size is not known without their loader)."""
        with FileStore(self.cache) as files:
            return sum(
                facts.height * facts.width
                for facts in files.images(self.split('test').images)
                if facts and facts.height
            )

    def parameters(self, config: dict) -> int:
        """How many parameters the model of this config has, as counted when it was last built."""
        return self._sizes[digest(config['model'])]

    def dataset_name(self) -> str:
        """The type of the test data set."""
        return self.base['test_dataloader']['dataset'].get('type', 'unknown')

    def _label_dir(self, key: str) -> str:
        """Where the labels are that a stage `label` leaves; like ``data_root``, as seen from where the grid runs."""
        return str(self.settings.work_dir / 'store' / 'label' / key / LABELS)

    @cached_property
    def plan(self) -> Plan:
        """The plan; listing and checking the data happens on the way."""
        context = KeyContext(
            baseline=self.base,
            code=self.code,
            fingerprint=lambda dataset: self._splits[digest(dataset)][1],
            names=lambda dataset: names_digest(self._splits[digest(dataset)][0]),
            versions=library_versions(),
            device_type=self.settings.device.partition(':')[0],
            hardware=_hardware(self.settings.device, self.environment),
            label_dir=self._label_dir,
        )
        refuse_other_conditions(self.configs, self.layout.clean_stack_of, self.code.acts_in_test_only)
        plan = make_plan(
            self.configs,
            self.layout.comparisons,
            self.seeds,
            context,
            self.layout.clean_stack_of,
            self.layout.design_count,
        )
        _refuse_same_work(plan)
        return plan

    def check(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Check that every key is legal and every config builds; remembered while nothing that it depends on changes.

        Args:
            meanwhile: Called first where the check is not remembered and takes seconds; what it starts runs beside.

        Raises:
            BadInput: With the culprit and the cure.
        """
        signature = digest(
            [
                CHECKS_VERSION,
                self.base,
                self.options,
                list(self.composed.values()),
                library_versions(),
                self.settings.device,  # what needs a GPU builds where there is one
                [self.code.modules_reached(config) for config in self.configs.values()],
            ]
            + [[row.name, row.overlay, row.imports] for row in self.techniques.values()]
        )
        remembered = self.cache / f'legal_{signature[:40]}.json'
        known = read_json(remembered)
        if not isinstance(known, dict):
            known = self._check_aside(meanwhile or (lambda: None))
            write_json(remembered, known)
        self._sizes: dict[str, int] = known

    def _check_aside(self, meanwhile: Callable[[], None]) -> dict[str, int]:
        """Check in another process, which imports torch and mmseg; this one plans meanwhile, and stays small."""
        # Where torch is there, nothing is to be saved, and threads that it may have started survive no fork; on macOS
        # system libraries that it uses do not.
        if 'torch' in sys.modules or sys.platform == 'darwin':
            meanwhile()
            return self._check_now()
        with ChildProcess(lambda: (self._check_now(), self._data)) as child:
            meanwhile()
            with suppress(Exception):  # what the check finds is told first; then this is raised again
                if self._listings_are_remembered():
                    self.plan
            known, self._data = child.result()
        return known

    def _listings_are_remembered(self) -> bool:
        """Whether data need not be listed anew, for which their classes are imported."""
        distinct = {
            digest(dataset): (name, dataset)
            for config in self.configs.values()
            for name, dataset in data_sets(config, self.base)
        }
        return all(remembered_split(name, dataset, self.cache) for name, dataset in distinct.values())

    def _check_now(self) -> dict[str, int]:
        """Check everything; gives the number of parameters of each stack's model, by the digest of its config."""
        from benchmarks.preflight.builds import (
            BuiltOnce,
            check_builds,
            check_loaders,
            check_sampling,
            check_test_sample,
        )
        from benchmarks.preflight.legality import Judge, Registries
        from benchmarks.stacks.imports import import_modules

        quieten_mmengine()
        import_modules(self.techniques, self.base)
        registries = Registries()
        judge = Judge(registries)
        judge.check(self.options, self.baseline, merge(self.baseline, self.options), '--cfg-options')
        check_builds(self.base, 'the baseline')
        sizes, once = {}, BuiltOnce()
        for technique in self.techniques.values():
            alone = compose(self.base, (technique.name,), self.techniques, self.levels)
            judge.check(technique.overlay, self.base, alone, f"technique '{technique.name}'")
            members_given = technique.overlay.get(ENSEMBLE, {}).get('members', [])
            for number, overlay in enumerate(members_given, 1):
                judge.check(
                    overlay,
                    alone,
                    alone[ENSEMBLE]['members'][number - 1],
                    f"technique '{technique.name}', member {number}",
                )
            check_builds(alone, f"the baseline with '{technique.name}'", once)
        for stack, config in self.composed.items():
            for member, paired in zip(members(config), members(self.configs[stack])):
                origin = f"the stack '{stack_name(stack)}'" + member.called
                sizes[digest(member.config['model'])] = check_builds(member.config, origin, once)
                check_sampling(paired.config, registries, origin)
                check_loaders(paired.config, origin)
                check_initial_weights(paired.config, origin)
        self._check_test_samples(check_test_sample)
        return sizes

    def _check_test_samples(self, check: Callable[[dict, str], None]) -> None:
        """Once per distinct test data set, whose files have been checked before."""
        self._data
        tested = set()
        for stack, config in self.configs.items():
            key = digest(config['test_dataloader']['dataset'])
            if key not in tested:
                check(config, f"the stack '{stack_name(stack)}'")
            tested.add(key)


def _num_classes(config: dict, split: Split) -> int:
    """How many classes the model predicts, which must be how many the data set has."""
    predicted = _predicted_classes(config['model'].get('decode_head'))
    if not split.classes:
        raise BadInput(f'the {split.name} data set declares no classes; give it metainfo=dict(classes=(...))')
    if predicted is not None and predicted != len(split.classes):
        raise BadInput(
            f'the model predicts {predicted} classes, but the {split.name} data set has {len(split.classes)} '
            f'({", ".join(split.classes)}); set model.decode_head.num_classes to {len(split.classes)}'
        )
    return len(split.classes)


def _predicted_classes(head: Any) -> int | None:
    """``num_classes`` of a decode head: of a cascade's last, of the head that another one is put around."""
    if isinstance(head, list):
        return _predicted_classes(head[-1])
    if not isinstance(head, dict) or 'num_classes' in head:
        return head and head['num_classes']
    return next((found for found in map(_predicted_classes, head.values()) if found is not None), None)


def library_versions() -> dict[str, str]:
    """major.minor of the libraries whose code computes the numbers."""
    versions = {}
    for name, distributions in LIBRARIES.items():
        for distribution in distributions:
            try:
                versions[name] = '.'.join(metadata.version(distribution).split('.')[:2])
                break
            except metadata.PackageNotFoundError:
                continue
    return versions


def _hardware(device: str, facts: dict) -> str:
    return json.dumps(facts['gpus'] if device.startswith('cuda') else facts['cpu'], sort_keys=True)


def _refuse_same_work(plan: Plan) -> None:
    """A technique whose keys are all the same as its reference's changes nothing that any stage reads."""
    steps: dict[Stack, tuple] = {}
    for cell in plan.cells:
        steps.setdefault(cell.stack, cell.steps)
    for comparison in plan.comparisons:
        if steps[comparison.stack] == steps[comparison.reference]:
            raise BadInput(
                f"the stacks '{stack_name(comparison.stack)}' and '{stack_name(comparison.reference)}' are the "
                f'same work: what sets them apart is read by no stage (logging, paths, validation); '
                f'remove the technique from the design'
            )
