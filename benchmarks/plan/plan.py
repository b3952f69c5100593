"""Stacks × seeds → a DAG of stages with keys: what there is to compute, each distinct thing once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.files import digest
from benchmarks.plan.designs import Comparison
from benchmarks.plan.keys import (
    STAGE_VERSIONS,
    config_parts,
    refuse_addresses,
    stage_key,
    with_weights_by_content,
    without_data_paths,
)
from benchmarks.record import cell_name, stack_name
from benchmarks.stacks.plugin_code import PluginCode
from benchmarks.stacks.protocol import with_seed
from benchmarks.stacks.several_networks import (
    ENSEMBLE,
    TEACHER,
    ensemble_of,
    has_teacher,
    labelling,
    members,
    student,
    teacher,
)
from benchmarks.stacks.technique import Stack
from benchmarks.stages.parents import by_role


@dataclass(frozen=True)
class Stage:
    """A unit of work whose result is kept under its key.

    Args:
        kind: ``train``, ``label``, ``combine``, ``predict``, ``refine`` or ``profile``.
        key: Hash of ``ingredients``.
        label: The first cell (or, for a profile, the stack) that asks for it, and which of its trainings it is where
            there are several.
        config: The resolved config it runs.
        parents: (kind, key) of the stages whose results it reads.
        ingredients: What the key is made of, by name.
    """

    kind: str
    key: str
    label: str
    config: dict = field(repr=False)
    parents: tuple[tuple[str, str], ...]
    ingredients: dict[str, str] = field(repr=False)


@dataclass(frozen=True)
class Cell:
    """One stack × one seed, and the keys of its stages.

    Args:
        stack: Its stack.
        seed: Its seed.
        config: The resolved config it is tested with.
        train: Its training; of several the student's, or the first member's of an ensemble.
        predict: Its prediction.
        refine: Its refinement; None for a stack that refines nothing.
        before: (kind, key) of all stages before ``predict`` in the order in which they run, where ``train`` is not the
            only one.
    """

    stack: Stack
    seed: int
    config: dict = field(repr=False)
    train: str
    predict: str
    refine: str | None
    before: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """Its name in files and tables."""
        return cell_name(stack_name(self.stack), self.seed)

    @property
    def weights(self) -> tuple[str, str]:
        """(kind, key) of the stage whose checkpoint predicts."""
        return self.before[-1] if self.before else ('train', self.train)

    def stages(self) -> list[tuple[str, str]]:
        """(kind, key) of its stages, in the order in which they run."""
        after = [('predict', self.predict), ('refine', self.refine)]
        return [*(self.before or [('train', self.train)]), *((kind, key) for kind, key in after if key)]


@dataclass(frozen=True)
class Plan:
    """All cells of a grid, and the distinct stages that they need.

    Args:
        cells: Each stack × seed.
        stages: By key.
        profiles: The key of the stage that measures each stack.
        comparisons: What to compare.
        condition_of: Stack under a condition → the same stack without it, whose weights it has.
        tables: In how many designs each stack stands, where that is more than one.
    """

    cells: list[Cell]
    stages: dict[str, Stage]
    profiles: dict[Stack, str]
    comparisons: list[Comparison]
    condition_of: Mapping[Stack, Stack] = field(default_factory=dict)
    tables: Mapping[Stack, int] = field(default_factory=dict)

    def count(self, kind: str) -> int:
        """How many distinct stages of this kind there are."""
        return sum(stage.kind == kind for stage in self.stages.values())

    def by_hand(self, *, each_design: bool = False) -> tuple[int, int]:
        """Trainings and tests of the same cells where nothing is shared: each trains all its networks and is tested.

        A teacher's labelling counts as a test, and a stack under a condition is tested with the weights of the stack.

        Args:
            each_design: Count a cell once for each design that it stands in, as for a table of each.
        """
        trainings = tests = 0
        for cell in self.cells:
            times = self.tables.get(cell.stack, 1) if each_design else 1
            kinds = [kind for kind, _ in cell.stages()]
            own = cell.stack not in self.condition_of
            trainings += times * own * kinds.count('train')
            tests += times * (1 + own * kinds.count('label'))
        return trainings, tests


@dataclass(frozen=True)
class Surroundings:
    """What enters keys beside the config.

    Args:
        baseline: The baseline's config under the protocol; a teacher labels as that one tests.
        code: The plugin modules' source.
        fingerprint: From a data set's config to a digest of its content.
        names: From a data set's config to a digest of what facts call its images and groups.
        versions: major.minor of the libraries that compute (torch, mmseg).
        device_type: ``cpu`` or ``cuda``.
        hardware: What latencies depend on: the processor's or GPU's name.
        label_dir: From the key of a stage ``label`` to the folder of its labels.
    """

    baseline: dict = field(repr=False)
    code: PluginCode
    fingerprint: Callable[[dict], str]
    names: Callable[[dict], str]
    versions: dict[str, str]
    device_type: str
    hardware: str
    label_dir: Callable[[str], str]


def make_plan(
    configs: dict[Stack, dict],
    comparisons: list[Comparison],
    seeds: Iterable[int],
    around: Surroundings,
    profile_of: Mapping[Stack, Stack] | None = None,
    tables: Mapping[Stack, int] | None = None,
) -> Plan:
    """The plan of a grid.

    Args:
        configs: Each stack's resolved config, in table order.
        comparisons: What to compare.
        seeds: The seeds of each stack.
        around: What enters the keys beside the configs.
        profile_of: Stacks that are another one, tested on other images, and that one: they train alike, whatever a
            teacher sees, and are not measured again.
        tables: In how many designs each stack stands, where that is more than one.

    Raises:
        BadInput: A member of an ensemble is to be tested otherwise than the others, or a value is known by its address
            alone.
    """
    seeds, profile_of = list(seeds), profile_of or {}
    stages: dict[str, Stage] = {}
    cells, profiles = [], {}
    for stack, config in configs.items():
        recipe = _Recipe(config, configs[profile_of.get(stack, stack)], around)
        own = [recipe.cell(stack, seed) for seed in seeds]
        cells += [cell for cell, _ in own]
        for stage in [stage for _, steps in own for stage in steps]:
            stages.setdefault(stage.key, stage)
        if stack not in profile_of:
            profile = recipe.profile(stack, own[0][0])
            stages.setdefault(profile.key, profile)
            profiles[stack] = profile.key
    profiles = {stack: profiles[profile_of.get(stack, stack)] for stack in configs}
    plan = Plan(cells, stages, profiles, comparisons, profile_of, tables or {})
    _assert_each_training_once(plan)
    return plan


def _assert_each_training_once(plan: Plan) -> None:
    """As many trainings are planned as the cells have distinct keys of trainings."""
    asked = {key for cell in plan.cells for kind, key in cell.stages() if kind == 'train'}
    planned = [stage.key for stage in plan.stages.values() if stage.kind == 'train']
    assert len(planned) == len(asked) and asked == set(planned), f'{len(planned)} trainings planned, {len(asked)} asked'


class _Training:
    """The ingredients of one network's training, and of its teacher's; only the seed differs between its cells."""

    def __init__(self, config: dict, around: Surroundings) -> None:
        self.config, self.around = config, around
        refuse_addresses(config)
        self.parts = _ingredients(config, around)
        self.base = self.parts['train']
        self.base['data train'] = around.fingerprint(config['train_dataloader']['dataset'])
        self.base.update(around.versions)
        self.teacher = _Training(teacher(config), around) if has_teacher(config) else None
        if self.teacher:
            self.labelling = labelling(config, around.baseline, around.code.acts_in_test_only)
            images = self.labelling['test_dataloader']['dataset']
            self.label = {
                **_ingredients(self.labelling, around)['predict'],
                'data unlabelled': around.fingerprint(images),
                'stage version': str(STAGE_VERSIONS['label']),
                'config confidence': digest(config[TEACHER]['confidence']),
            }

    def stages(self, seed: int, label: str) -> list[Stage]:
        """What is to be done to train it, in order; its own training comes last."""
        config, before, parents = self.config, [], ()
        if self.teacher:
            before = self.teacher.stages(seed, f'{label} teacher')
            labels = _stage('label', label, with_seed(self.labelling, seed), before[-1:], self.label)
            before, parents = [*before, labels], (labels,)
            config = student(config, self.around.label_dir(labels.key))
        config = with_seed(config, seed)
        return [
            *before,
            _stage('train', label, config, parents, {**self.base, 'config randomness': digest(config['randomness'])}),
        ]


class _Recipe:
    """The ingredients of one stack's stages.

    Args:
        config: The stack's config.
        trained: The config that its trainings follow; another one where that differs in its test data.
        around: What enters the keys beside the configs.
    """

    def __init__(self, config: dict, trained: dict, around: Surroundings) -> None:
        self.config, self.around = config, around
        _refuse_own_test_hooks(config, around.code.acts_in_test_only)
        self.members, self.first = members(trained), members(config)[0].config
        one = {id(member.config): _Training(member.config, around) for member in self.members}
        self.trainings = [one[id(member.config)] for member in self.members]
        refuse_addresses(config)
        self.refines = bool(config['inference'].get('refine'))
        self.base = self.trainings[0].parts if config is trained else _ingredients(self.first, around)
        self.base['predict']['data predict'] = around.fingerprint(config['test_dataloader']['dataset'])
        self.names = around.names(config['test_dataloader']['dataset'])

    def cell(self, stack: Stack, seed: int) -> tuple[Cell, list[Stage]]:
        """One cell and its stages."""
        name = cell_name(stack_name(stack), seed)
        chains = [
            training.stages(member.seed(seed), name + member.called)
            for member, training in zip(self.members, self.trainings)
        ]
        trains = [chain[-1] for chain in chains]
        before = [stage for chain in chains for stage in chain]
        # The first member's, so that what trains on it in plain mmsegmentation is that member.
        config = {**self.first, **{key: trains[0].config[key] for key in ('randomness', 'train_dataloader')}}
        if ensemble_of(self.config)[0]:
            config = {**config, ENSEMBLE: self.config[ENSEMBLE]}
            before.append(self._combine(name, config, trains))
        weights = before[-1]
        # Facts are stored by name; a latency has none, so that the profile does without.
        predict = _stage('predict', name, config, (weights,), {**self.base['predict'], 'names predict': self.names})
        refine = _stage('refine', name, config, (predict, weights), self.base['refine']) if self.refines else None
        steps = tuple((stage.kind, stage.key) for stage in before) if len(before) > 1 else ()
        cell = Cell(stack, seed, config, trains[0].key, predict.key, refine.key if refine else None, steps)
        return cell, [stage for stage in (*before, predict, refine) if stage]

    def _combine(self, name: str, config: dict, trains: list[Stage]) -> Stage:
        models = {
            f'config model {n}': digest(with_weights_by_content(member.config['model']))
            for n, member in enumerate(self.members, 1)
        }
        return _stage('combine', name, config, trains, {**models, 'stage version': str(STAGE_VERSIONS['combine'])})

    def profile(self, stack: Stack, cell: Cell) -> Stage:
        """The stage that measures this stack's complete inference, with the weights of ``cell``."""
        kind, key = cell.weights
        ingredients = {
            **self.base['predict'],
            **self.base['refine'],
            'hardware': self.around.hardware,
            'stage version': str(STAGE_VERSIONS['profile']),
            f'parent {kind}': key,
        }
        return Stage(
            'profile',
            stage_key({**ingredients, 'kind': 'profile'}),
            stack_name(stack),
            cell.config,
            (cell.weights,),
            ingredients,
        )


def _refuse_own_test_hooks(config: dict, acts_in_test_only: Callable[[str], bool]) -> None:
    def of_tests(config: dict) -> list:
        return config_parts(config, acts_in_test_only)['predict']['custom_hooks']

    for member in members(config):
        if member.number is not None and digest(of_tests(member.config)) != digest(of_tests(config)):
            own, common = (
                ', '.join(str(hook.get('type')) for hook in of_tests(one)) or 'none' for one in (member.config, config)
            )
            raise BadInput(
                f"member {member.number + 1} of the ensemble changes 'custom_hooks' that act in tests alone "
                f'({own} instead of {common}), but all members are tested together; change them beside the '
                f'members'
            )


def _ingredients(config: dict, around: Surroundings) -> dict[str, dict[str, str]]:
    """What the keys of ``train``, ``predict`` and ``refine`` are made of, but for data, seed and parents."""
    parts = config_parts(with_weights_by_content(config), around.code.acts_in_test_only)
    return {
        kind: {
            **{f'config {path}': digest(without_data_paths(value)) for path, value in part.items()},
            **{f'code {module}': code for module, code in around.code.modules_reached(part).items()},
            'stage version': str(STAGE_VERSIONS[kind]),
            'device': around.device_type,
        }
        for kind, part in parts.items()
    }


def _stage(kind: str, label: str, config: dict, parents: Sequence[Stage], ingredients: dict[str, Any]) -> Stage:
    keys = tuple((parent.kind, parent.key) for parent in parents)
    ingredients = {**ingredients, **{f'parent {role}': key for role, key in by_role(keys).items()}}
    return Stage(kind, stage_key({**ingredients, 'kind': kind}), label, config, keys, ingredients)


def what_changed(stored: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """Names of the ingredients that differ between a stored result and the one that is wanted."""
    return sorted(name for name in stored.keys() | wanted.keys() if stored.get(name) != wanted.get(name))
