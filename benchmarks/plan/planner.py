"""Stacks × seeds → the plan: each distinct stage once, under a key that hashes all that its numbers depend on."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.errors import BadInput, did_you_mean
from benchmarks.files import digest
from benchmarks.kinds import BY_NAME, Kind
from benchmarks.plan.keys import (
    as_computed,
    config_parts,
    measured_part,
    refuse_addresses,
    stage_key,
    with_weights_by_content,
)
from benchmarks.plan.layout import Comparison
from benchmarks.plan.plan import Cell, Plan, Stage, Step
from benchmarks.plan.reference_seeds import seeds_of_each
from benchmarks.stacks.plugin_code import PluginCode
from benchmarks.stacks.protocol import with_seed
from benchmarks.stacks.several_networks import (
    AGAIN_APART,
    ENSEMBLE,
    TEACHER,
    Member,
    ensemble_of,
    has_teacher,
    labelling,
    members,
    student,
    teacher,
)
from benchmarks.stacks.technique import Stack
from benchmarks.stages.parents import by_role

Ingredients = dict[str, str]


@dataclass(frozen=True)
class KeyContext:
    """Everything but the config that enters keys.

    Args:
        baseline: The baseline's config under the protocol; a teacher labels as the baseline tests.
        code: The plugin modules' source.
        fingerprint: From a data set's config to a digest of its content.
        names: From a data set's config to a digest of its images' and groups' names.
        versions: major.minor of the libraries that compute (torch, mmseg).
        device_type: ``cpu`` or ``cuda``.
        hardware: The processor's or GPU's name, which latencies depend on.
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
    configs: Mapping[Stack, dict],
    comparisons: list[Comparison],
    seeds: Iterable[int],
    context: KeyContext,
    clean_stack_of: Mapping[Stack, Stack] | None = None,
    design_count: Mapping[Stack, int] | None = None,
    again: Collection[Stack] = (),
    baseline_seeds: int | str | None = None,
    seeds_of: Mapping[Stack, Sequence[int]] | None = None,
    more_folds: Sequence[Mapping[Stack, dict]] = (),
) -> Plan:
    """The plan of a grid.

    Args:
        configs: Each stack's resolved config, in table order.
        comparisons: The comparisons to draw.
        seeds: The seeds of each stack.
        context: Everything but the configs that enters the keys.
        clean_stack_of: For each stack under a test condition (noise, blur): the same stack without it. Both share one
            training and one profile.
        design_count: How many designs contain the stack; only stacks in two or more.
        again: Stacks that are trained with other seeds than their number says (an A/A arm).
        baseline_seeds: See :func:`benchmarks.plan.reference_seeds.seeds_of_each`; None for the seeds of all stacks.
        seeds_of: The seeds of each stack instead, where a later look needs more of some.
        more_folds: The configs of all folds but the first, whose configs are ``configs``; empty for no folds.

    Raises:
        BadInput: The grid asks for more seeds of a baseline that it lacks, the test of one ensemble member differs from
            the others', or a config value is known by its address in memory alone.
    """
    clean_stack_of = clean_stack_of or {}
    folds = [configs, *more_folds]
    stages_of: dict[Stack, list[StackStages]] = {}
    for number, of_fold in enumerate(folds):
        for stack, config in of_fold.items():
            clean = of_fold[clean_stack_of[stack]] if stack in clean_stack_of else None
            apart = AGAIN_APART if stack in again else 0
            fold = number if more_folds else None
            stages_of.setdefault(stack, []).append(StackStages(stack, config, context, clean, apart, fold))
    firsts = {stack: of_folds[0] for stack, of_folds in stages_of.items()}
    seeds_of = seeds_of or _seeds_of(firsts, list(seeds), baseline_seeds, again)
    stages: dict[str, Stage] = {}
    cells, profiles = [], {}
    for stack, of_folds in stages_of.items():
        planned = [one.cell(seed) for seed in seeds_of[stack] for one in of_folds]
        cells += [cell for cell, _ in planned]
        for stage in (stage for _, of_cell in planned for stage in of_cell):
            stages.setdefault(stage.key, stage)
        if stack not in clean_stack_of:
            # Each fold has the same network; that of the first is measured on its test images.
            profile = firsts[stack].profile([cell for cell, _ in planned if cell.fold == firsts[stack].fold])
            stages[profile.key] = _with_more_weights(stages.get(profile.key), profile)
            profiles[stack] = profile.key
    profiles = {stack: profiles[clean_stack_of.get(stack, stack)] for stack in configs}
    plan = Plan(cells, stages, profiles, comparisons, clean_stack_of, design_count or {})
    _assert_each_training_once(plan)
    return plan


def _seeds_of(
    stages_of: Mapping[Stack, 'StackStages'],
    seeds: list[int],
    baseline_seeds: int | str | None,
    again: Collection[Stack],
) -> dict[Stack, list[int]]:
    """The seeds of each stack."""
    if baseline_seeds is None:
        return dict.fromkeys(stages_of, seeds)
    trainings = {stack: one.cell(seeds[0])[0].before_predict for stack, one in stages_of.items()}
    return seeds_of_each(trainings, seeds, baseline_seeds, again)


def _with_more_weights(planned: Stage | None, profile: Stage) -> Stage:
    """A profile that serves several stacks: any of their weights will do, those of the first stack by preference."""
    if planned is None:
        return profile
    configs = dict(zip(planned.parents, planned.configs)) | {
        step: config for step, config in zip(profile.parents, profile.configs) if step not in planned.parents
    }
    return replace(planned, parents=tuple(configs), configs=tuple(configs.values()))


def _assert_each_training_once(plan: Plan) -> None:
    """As many trainings are planned as the cells have distinct keys of trainings."""
    asked = {key for cell in plan.cells for kind, key in cell.steps if kind == 'train'}
    planned = [stage.key for stage in plan.stages.values() if stage.kind == 'train']
    assert len(planned) == len(asked) and asked == set(planned), f'{len(planned)} trainings planned, {len(asked)} asked'


@dataclass(frozen=True)
class _Owner:
    """The cell that asks for a stage, and the role of the stage in it; see :class:`Stage`."""

    stack: Stack
    seed: int | None
    fold: int | None = None
    role: str = ''

    def network(self, role: str) -> '_Owner':
        """The same cell, and one of its networks."""
        return replace(self, role=f'{self.role} {role}'.strip())


class StackStages:
    """The stages of one stack, for any seed.

    Args:
        stack: The stack.
        config: The stack's config.
        context: Everything but the config that enters the keys.
        clean_config: For a stack under a test condition the config of the same stack without it, whose networks it
            tests; None for any other stack.
        seeds_from: Added to the seed of each training.
        fold: The fold whose data the configs name; None in a grid without folds.
    """

    def __init__(
        self,
        stack: Stack,
        config: dict,
        context: KeyContext,
        clean_config: dict | None = None,
        seeds_from: int = 0,
        fold: int | None = None,
    ) -> None:
        self.stack, self.config, self.context, self.seeds_from, self.fold = stack, config, context, seeds_from, fold
        _refuse_own_test_hooks(config, context.code.acts_in_test_only)
        trained = config if clean_config is None else clean_config
        self.members, self.first = members(trained), members(config)[0].config
        self.trainings = _trainings(trained, self.members, context)
        refuse_addresses(config)
        parts = self.trainings[0].parts if clean_config is None else _ingredients(self.first, context)
        dataset = config['test_dataloader']['dataset']
        self.predict = {**parts['predict'], 'data predict': context.fingerprint(dataset)}
        self.refine = parts['refine']
        self.names = context.names(dataset)

    def cell(self, seed: int) -> tuple[Cell, list[Stage]]:
        """One cell, and its stages in the order in which they run."""
        owner = _Owner(self.stack, seed, self.fold)
        chains = [
            training.stages(self.seeds_from + member.seed(seed), owner.network(member.called.strip()))
            for member, training in zip(self.members, self.trainings)
        ]
        trains = [chain[-1] for chain in chains]
        stages = [stage for chain in chains for stage in chain]
        # The first member's, so that plain mmsegmentation trains that member with this config.
        config = {**self.first, **{key: trains[0].config[key] for key in ('randomness', 'train_dataloader')}}
        if ensemble_of(self.config)[0]:
            config = {**config, ENSEMBLE: self.config[ENSEMBLE]}
            stages.append(self._combine(owner, config, trains))
        weights = stages[-1]
        # Facts are stored by the images' names; latencies are not, so that the profile's key leaves the names out.
        predict = _stage('predict', owner, config, (weights,), {**self.predict, 'names predict': self.names})
        stages.append(predict)
        if self.config['inference'].get('refine'):
            stages.append(_stage('refine', owner, config, (predict, weights), self.refine))
        return Cell(self.stack, seed, config, tuple(_step(stage) for stage in stages), self.fold), stages

    def _combine(self, owner: _Owner, config: dict, trains: list[Stage]) -> Stage:
        models = {
            f'config model {n}': digest(with_weights_by_content(member.config['model']))
            for n, member in enumerate(self.members, 1)
        }
        return _stage('combine', owner, config, trains, {**models, **_version('combine')})

    def profile(self, cells: Sequence[Cell]) -> Stage:
        """The stage that measures this stack's complete inference, with the weights of any of ``cells``.

        Its key holds what is measured, and neither weights nor what made them. Stacks with the same networks, views,
        refinements and test images have one profile, which a failed training does not cost them.
        """
        networks = {
            f'network {n} {name}': value
            for n, member in enumerate(self.members, 1)
            for name, value in _network(member.config, self.context).items()
        }
        ingredients = {
            **networks,
            **self.context.versions,
            **self.predict,
            **self.refine,
            'hardware': self.context.hardware,
            **_version('profile'),
        }
        weights = {cell.weights: cell.config for cell in reversed(cells)}
        steps, configs = tuple(reversed(weights)), tuple(reversed(weights.values()))
        profile = _keyed('profile', _Owner(self.stack, None), configs[0], steps, ingredients)
        return replace(profile, configs=configs)


class _NetworkTraining:
    """The ingredients of one network's training, and of its teacher's; only the seed differs between its cells."""

    def __init__(self, config: dict, context: KeyContext) -> None:
        self.config, self.context = config, context
        refuse_addresses(config)
        self.parts = _ingredients(config, context)
        self.train = {
            **self.parts['train'],
            'data train': context.fingerprint(config['train_dataloader']['dataset']),
            **context.versions,
        }
        self.teacher = _NetworkTraining(teacher(config), context) if has_teacher(config) else None
        if self.teacher:
            self.labelling = labelling(config, context.baseline, context.code.acts_in_test_only)
            images = self.labelling['test_dataloader']['dataset']
            self.label = {
                **_ingredients(self.labelling, context)['predict'],
                'data unlabelled': context.fingerprint(images),
                **_version('label'),
                'config confidence': digest(config[TEACHER]['confidence']),
            }

    def stages(self, seed: int, owner: _Owner) -> list[Stage]:
        """The stages that train the network with this seed, in order; its own training comes last.

        Args:
            seed: The seed of the training, which for an ensemble's member is not that of the cell.
            owner: The cell that asks for them.
        """
        config, before, parents = self.config, [], []
        if self.teacher:
            before = self.teacher.stages(seed, owner.network('teacher'))
            labels = _stage('label', owner, with_seed(self.labelling, seed), before[-1:], self.label)
            before, parents = [*before, labels], [labels]
            config = student(config, self.context.label_dir(labels.key))
        config = with_seed(config, seed)
        ingredients = {**self.train, 'config randomness': digest(config['randomness'])}
        return [*before, _stage('train', owner, config, parents, ingredients)]


def _trainings(config: dict, networks: Sequence[Member], context: KeyContext) -> list[_NetworkTraining]:
    """The training of each member; members that differ by the seed alone have one config, which is read once."""
    way, _ = ensemble_of(config)
    if way == 'seeds':
        return [_NetworkTraining(networks[0].config, context)] * len(networks)
    return [_NetworkTraining(member.config, context) for member in networks]


def _refuse_own_test_hooks(config: dict, acts_in_test_only: Callable[[str], bool]) -> None:
    def test_hooks(config: dict) -> list:
        return config_parts(config, acts_in_test_only)['predict']['custom_hooks']

    def named(config: dict) -> str:
        return ', '.join(str(hook.get('type')) for hook in test_hooks(config)) or 'none'

    for member in members(config):
        if member.number is not None and digest(test_hooks(member.config)) != digest(test_hooks(config)):
            raise BadInput(
                f"member {member.number + 1} of the ensemble changes 'custom_hooks' that act in tests alone "
                f'({named(member.config)} instead of {named(config)}), but all members are tested together; change '
                f'them beside the members'
            )


def _ingredients(config: dict, context: KeyContext) -> dict[str, Ingredients]:
    """Ingredients of the keys of ``train``, ``predict`` and ``refine``, except data, seed and parents."""
    parts = config_parts(with_weights_by_content(config), context.code.acts_in_test_only)
    return {
        kind: {
            **{f'config {path}': digest(as_computed(value)) for path, value in part.items()},
            **{f'code {module}': code for module, code in context.code.modules_reached(part).items()},
            **_version(kind),
            'device': context.device_type,
        }
        for kind, part in parts.items()
    }


def _network(config: dict, context: KeyContext) -> Ingredients:
    """The ingredients of a profile's key that say which network is measured."""
    part = measured_part(config, context.code.acts_in_training_only)
    return {
        **{f'config {path}': digest(as_computed(value)) for path, value in part.items()},
        **{f'code {module}': code for module, code in context.code.modules_reached(part).items()},
    }


def _version(kind: str) -> Ingredients:
    return {'stage version': str(_kind(kind).version)}


def _kind(name: str) -> Kind:
    if name not in BY_NAME:
        raise ValueError(f"there is no stage kind '{name}' in benchmarks/kinds.py{did_you_mean(name, BY_NAME)}")
    return BY_NAME[name]


def _step(stage: Stage) -> Step:
    return stage.kind, stage.key


def _stage(kind: str, owner: _Owner, config: dict, parents: Sequence[Stage], ingredients: Ingredients) -> Stage:
    steps = tuple(_step(parent) for parent in parents)
    parent_keys = {f'parent {role}': key for role, key in by_role(steps).items()}
    return _keyed(kind, owner, config, steps, {**ingredients, **parent_keys})


def _keyed(kind: str, owner: _Owner, config: dict, parents: tuple[Step, ...], ingredients: Ingredients) -> Stage:
    key = stage_key({**ingredients, 'kind': _kind(kind).name})
    return Stage(kind, key, owner.stack, owner.seed, owner.role, config, parents, ingredients, fold=owner.fold)
