"""Stacks × seeds → the plan: each distinct stage once, under a key that hashes all that its numbers depend on."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from benchmarks.files import digest
from benchmarks.plan.choices import FIRST_SEED, ChosenNetwork, NetworkChoice, RefinementChoice, Validation
from benchmarks.plan.keys import refuse_addresses, with_weights_by_content
from benchmarks.plan.layout import Comparison
from benchmarks.plan.making import (
    KeyContext,
    Owner,
    ingredients_of,
    keyed_stage,
    make_stage,
    network_ingredients,
    version,
)
from benchmarks.plan.own_test_hooks import refuse_own_test_hooks
from benchmarks.plan.plan import Cell, Plan, Stage
from benchmarks.plan.reference_seeds import seeds_of_each
from benchmarks.plan.trainings import trainings_of
from benchmarks.stacks.network_trials import ALTERNATIVES, NETWORK, searches_network, with_alternatives
from benchmarks.stacks.several_networks import AGAIN_APART, ENSEMBLE, ensemble_of, members
from benchmarks.stacks.technique import Stack
from benchmarks.stacks.tuning import PER_SEED, SEARCH, without_search


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
    uncounted: Collection[Stack] = (),
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
        uncounted: Stacks for which the baseline gets no further seeds by ``baseline_seeds``.

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
    seeds_of = seeds_of or _seeds_of(firsts, list(seeds), baseline_seeds, again, uncounted)
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
            # Any weights of the stacks that share it will do, those of the first stack by preference.
            known = stages.get(profile.key)
            stages[profile.key] = known.with_more(profile) if known else profile
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
    uncounted: Collection[Stack],
) -> dict[Stack, list[int]]:
    """The seeds of each stack."""
    if baseline_seeds is None:
        return dict.fromkeys(stages_of, seeds)
    trainings = {stack: one.cell(seeds[0])[0].before_predict for stack, one in stages_of.items()}
    # Rows whose network is tuned are compared with the tuned baseline.
    tuned = {stack for stack, steps in trainings.items() if any(kind == 'choose' for kind, _ in steps)}
    return seeds_of_each(trainings, seeds, baseline_seeds, again, {*tuned, *uncounted})


def _assert_each_training_once(plan: Plan) -> None:
    """As many trainings are planned as the cells have distinct keys of trainings."""
    asked = {key for cell in plan.cells for kind, key in (*cell.steps, *cell.beside) if kind == 'train'}
    planned = [stage.key for stage in plan.stages.values() if stage.kind == 'train']
    assert len(planned) == len(asked) and asked == set(planned), f'{len(planned)} trainings planned, {len(asked)} asked'


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
        self.stack, self.context, self.seeds_from, self.fold = stack, context, seeds_from, fold
        trained = config if clean_config is None else clean_config
        search = trained.get(SEARCH)  # values are chosen on clean images
        self.tuning = NetworkChoice(stack, trained, context, seeds_from) if searches_network(trained) else None
        config, trained = without_search(config), without_search(trained)
        refuse_own_test_hooks(config, context.code.acts_in_test_only)
        self.config, self.members, self.first = config, members(trained), members(config)[0].config
        self.trainings = trainings_of(trained, self.members, context)
        refuse_addresses(config)
        parts = self.trainings[0].parts if clean_config is None else ingredients_of(self.first, context)
        dataset = config['test_dataloader']['dataset']
        self.predict = {**parts['predict'], 'data predict': context.fingerprint(dataset)}
        self.refine = parts['refine']
        # Facts are stored by the images' names; latencies are not, so that the profile's key leaves the names out.
        self.predict_by_name = {**self.predict, 'names predict': context.names(dataset)}
        tunes = bool(search and search['trials'])
        first = {**members(trained)[0].config, SEARCH: search}
        self.choice = RefinementChoice(first, context) if tunes else None
        is_point = bool(search) and not tunes and self.tuning is None and clean_config is None  # of a sweep
        self.validation = Validation(first, context) if is_point else None

    def cell(self, seed: int) -> tuple[Cell, list[Stage]]:
        """One cell, and its stages in the order in which they run."""
        owner = Owner(self.stack, seed, self.fold)
        config, stages, network, trials = self._networks(seed, owner)
        predict = make_stage('predict', owner, config, network, self.predict_by_name)
        stages.append(predict)
        beside = list(trials)  # other stages that the choice of values reads
        if self.config['inference'].get('refine'):
            parents, ingredients = [predict, *network], self.refine
            if self.choice:
                *others, choice = self._chosen(seed, owner, config, network)
                beside += others
                stages.append(choice)
                parents, ingredients = [*parents, choice], {**self.refine, **self.choice.code}
            stages.append(make_stage('refine', owner, config, parents, ingredients))
        validation = self.validation.stages(owner, config, network) if self.validation else []
        validated = validation[-1].step if validation else None
        steps, of_choice = (tuple(one.step for one in of) for of in (stages, [*beside, *validation]))
        return Cell(self.stack, seed, config, steps, self.fold, of_choice, validated), [*beside, *stages, *validation]

    def _chosen(self, seed: int, owner: Owner, config: dict, network: Sequence[Stage]) -> list[Stage]:
        """The stages that choose values of refinements; the choice comes last."""
        assert self.choice
        # A choice for all seeds is that of the first seed's network, so that a seed that is added does not change it.
        if self.choice.per == PER_SEED or seed == FIRST_SEED:
            return self.choice.stages(owner, config, network)
        owner = replace(owner, seed=FIRST_SEED)
        config, networks, network, trials = self._networks(FIRST_SEED, owner)
        return [*trials, *networks, *self.choice.stages(owner, config, network)]

    def _networks(self, seed: int, owner: Owner) -> tuple[dict, list[Stage], list[Stage], Sequence[Stage]]:
        """The networks of a cell.

        Returns:
            The config that the cell is tested with; the stages that make its weights; of these the one that has them,
            and behind it the choice of the network's values if it has one; the stages of the trials for that choice.
        """
        choice = self._network_choice(seed, owner)
        chains = [
            self._chosen_network(seed, owner, number, choice)
            if choice
            else training.stages(self.seeds_from + member.seed(seed), owner.network(member.called.strip()))
            for number, (member, training) in enumerate(zip(self.members, self.trainings))
        ]
        trains = [chain[-1] for chain in chains]
        stages = [stage for chain in chains for stage in chain]
        # The first member's, so that plain mmsegmentation trains that member with this config.
        of_training = ('randomness', 'train_dataloader', *([ALTERNATIVES] if choice else []))
        config = {**self.first, **{key: trains[0].config[key] for key in of_training}}
        if config == trains[0].config:  # so it is for most rows: a large plan then holds it once
            config = trains[0].config
        chosen = [choice.choose] if choice else []
        if ensemble_of(self.config)[0]:
            config = {**config, ENSEMBLE: self.config[ENSEMBLE]}
            stages.append(self._combine(owner, config, [*trains, *chosen]))
        return config, [*chosen, *stages], [stages[-1], *chosen], choice.beside if choice else ()

    def _network_choice(self, seed: int, owner: Owner) -> ChosenNetwork | None:
        """The choice of the network's values; None for a stack whose network is not tuned."""
        if self.tuning is None:
            return None
        of_seed = seed if self.tuning.per == PER_SEED else FIRST_SEED
        return self.tuning.chosen(of_seed, replace(owner, seed=of_seed))

    def _chosen_network(self, seed: int, owner: Owner, number: int, choice: ChosenNetwork) -> list[Stage]:
        """The stage that gives a network with the chosen values: that of the chosen trial, or a training of its own."""
        assert self.tuning
        member = self.members[number]
        if self.tuning.takes and seed == choice.seed:
            config = {
                **with_alternatives(choice.configs[0], choice.configs),
                NETWORK: dict(trained=[one.key for one in choice.trained]),
            }
            return [make_stage('take', owner, config, (choice.choose, *choice.trained), version('take'))]
        owner = owner.network(member.called.strip())
        return [
            self.trainings[number].after_choice(
                self.seeds_from + member.seed(seed), owner, choice.choose, self.tuning.full
            )
        ]

    def _combine(self, owner: Owner, config: dict, parents: list[Stage]) -> Stage:
        models = {
            f'config model {n}': digest(with_weights_by_content(member.config['model']))
            for n, member in enumerate(self.members, 1)
        }
        return make_stage('combine', owner, config, parents, {**models, **version('combine')})

    def profile(self, cells: Sequence[Cell]) -> Stage:
        """The stage that measures this stack's complete inference, with the weights of any of ``cells``.

        Its key holds what is measured, and neither weights nor what made them. Stacks with the same networks, views,
        refinements and test images have one profile, which a failed training does not cost them.
        """
        networks = {
            f'network {n} {name}': value
            for n, member in enumerate(self.members, 1)
            for name, value in network_ingredients(member.config, self.context).items()
        }
        ingredients = {
            **networks,
            **self.context.versions,
            **self.predict,
            **self.refine,
            'hardware': self.context.hardware,
            **version('profile'),
        }
        # A choice that is measured must be made anew where the first one is.
        if cells[0].choice and self.choice:
            ingredients |= {**self.choice.select, **version('profile'), 'parent select': cells[0].choice}
        measured = [kind for kind in ('choose', 'select') if kind == 'select' or not self._measures_alike()]
        if 'choose' in measured and (tuning := cells[0].step('choose')):
            ingredients['parent choose'] = tuning
        read = {
            (cell.weights, *((kind, key) for kind in measured if (key := cell.step(kind)))): cell.config
            for cell in reversed(cells)
        }
        groups, configs = tuple(reversed(read)), tuple(reversed(read.values()))
        steps = tuple(step for group in groups for step in group)
        profile = keyed_stage('profile', Owner(self.stack, None), configs[0], steps, ingredients)
        return replace(profile, configs=configs, together=len(groups[0]))

    def _measures_alike(self) -> bool:
        """Whether a measurement is the same for all values of the network that may be chosen."""
        if self.tuning is None:
            return True
        measured = [
            [network_ingredients(each.config, self.context), each.parts['predict']] for each in self.tuning.full
        ]
        return all(one == measured[0] for one in measured)
