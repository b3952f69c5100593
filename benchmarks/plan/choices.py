"""The stages that choose values of tuned rows on validation images: of refinements, and of networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.data.dataset_configs import leaf_configs
from benchmarks.errors import BadInput
from benchmarks.files import digest
from benchmarks.plan.making import Ingredients, KeyContext, Owner, ingredients_of, make_stage, version
from benchmarks.plan.plan import Stage
from benchmarks.plan.trainings import NetworkTraining
from benchmarks.record import stack_name
from benchmarks.stacks.network_trials import (
    NETWORK,
    full_configs,
    going_on,
    round_configs,
    values_told,
    with_alternatives,
)
from benchmarks.stacks.protocol import with_seed
from benchmarks.stacks.several_networks import ensemble_of, has_teacher, members
from benchmarks.stacks.tuning import SEARCH, on_validation, with_values, without_search

FIRST_SEED = 0
PLAIN: dict[str, dict] = dict(views={}, refine={})


class RefinementChoice:
    """Chooses values of refinements; ``config`` is that of the stack's first network, with the key ``search``."""

    def __init__(self, config: dict, context: KeyContext) -> None:
        self.search = {name: value for name, value in config[SEARCH].items() if name != NETWORK}
        self.per, trials = self.search['per'], self.search['trials']
        parts = ingredients_of(without_search(on_validation(config)), context)
        self.predict = {**parts['predict'], **_of_data(self.search['data'], context)}
        tried = [with_values(config, values)['inference']['refine'] for each in trials.values() for values in each]
        # A trial may name another type than the technique's file does.
        self.code = {f'code {module}': code for module, code in context.code.modules_reached(tried).items()}
        self.select = {
            **parts['refine'],
            **self.code,
            'config search': digest(trials),
            **({'config halving': digest(self.search['halving'])} if 'halving' in self.search else {}),
            **_of_score(self.search['data']),
            **version('select'),
        }

    def stages(self, owner: Owner, config: dict, network: Sequence[Stage]) -> list[Stage]:
        """The prediction of the validation images by a network, and the choice that reads it.

        Args:
            owner: The cell.
            config: The config that the cell is tested with.
            network: The stage with the network's weights, and behind it the choice of its values if it has one.
        """
        config = on_validation({**config, SEARCH: self.search})
        owner = owner.network('validation')
        predict = make_stage('predict', owner, without_search(config), network, self.predict)
        return [predict, make_stage('select', owner, config, (predict, *network), self.select)]


class Validation:
    """Tests a stack on the validation images; ``config`` is that of its first network, with the key ``search``."""

    def __init__(self, config: dict, context: KeyContext) -> None:
        self.search = config[SEARCH]
        parts = ingredients_of(without_search(on_validation(config)), context)
        self.predict, self.refine = {**parts['predict'], **_of_data(self.search['data'], context)}, parts['refine']

    def stages(self, owner: Owner, config: dict, network: Sequence[Stage]) -> list[Stage]:
        """The prediction of the validation images, and its refinement; the arguments are those of a choice."""
        config, owner = without_search(on_validation({**config, SEARCH: self.search})), owner.network('validation')
        predict = make_stage('predict', owner, config, network, self.predict)
        if not config['inference'].get('refine'):
            return [predict]
        return [predict, make_stage('refine', owner, config, (predict, *network), self.refine)]


@dataclass(frozen=True)
class ChosenNetwork:
    """A choice among trials of a network, made by the network of one seed.

    Args:
        choose: The stage that chooses.
        trained: The trainings of the trials of the last round, in order.
        configs: The config that each trial trains in it.
        seed: The seed of these trainings.
        beside: All stages of the trials: their trainings, and their predictions of the validation images.
    """

    choose: Stage
    trained: tuple[Stage, ...]
    configs: tuple[dict, ...]
    seed: int
    beside: tuple[Stage, ...]


class NetworkChoice:
    """Chooses values of a stack's network: each trial is trained, and predicts the validation images.

    A trial predicts without test-time views, so that stacks which differ in views alone choose alike and share a
    network; with the stack's views where the inference itself is searched.

    Args:
        stack: The stack, for messages.
        config: Its config, with the key ``search``.
        context: Everything but the config that enters keys.
        seeds_from: Added to the seed of each training.

    Raises:
        BadInput: The stack has networks of several configs, or a teacher, and networks are trained after the choice.
    """

    def __init__(self, stack: tuple[str, ...], config: dict, context: KeyContext, seeds_from: int) -> None:
        search = config[SEARCH]
        trials, self.data, self.seeds_from = search[NETWORK], search['data'], seeds_from
        self.per = trials['per']
        self.technique, self.values = '+'.join(trials['values'][0]), list(map(values_told, trials['values']))
        way, _ = ensemble_of(config)
        rounds = round_configs(config)
        self.shares = [share for share, _ in rounds]
        self.going_on = going_on(len(self.values), self.shares)
        self.takes = way != 'seeds' and self.shares[-1] == 1  # a trial of the last round trains what the row trains
        after = not self.takes or self.per != 'seed' or len(rounds) > 1
        _refuse_unlike_networks(stack, config, way, trains_after=after)
        self.full = [NetworkTraining(members(each)[0].config, context) for each in full_configs(config)]
        of_rounds = [[members(each)[0].config for each in configs] for _, configs in rounds]
        self.trained = [
            self.full if share == 1 else [NetworkTraining(network, context) for network in networks]
            for share, networks in zip(self.shares, of_rounds)
        ]
        views = [_without_refinements(network) for network in of_rounds[0]]
        with_views = any(one != views[0] for one in views)
        self.tested = [
            [_validating(network, self.data, with_views=with_views) for network in networks] for networks in of_rounds
        ]
        of_data = _of_data(self.data, context)
        self.predict = [{**ingredients_of(tested, context)['predict'], **of_data} for tested in self.tested[0]]

    def chosen(self, seed: int, owner: Owner) -> ChosenNetwork:
        """The choice for the networks of a seed."""
        trains: list[Stage] = []
        beside: list[Stage] = []
        choose: Stage | None = None
        for n in range(len(self.shares)):
            trains, predicts = [], []
            for number in range(self.going_on[n]):
                of_trial = owner.network(f'{f"round {n + 1} " if n else ""}trial {number + 1}')
                if choose and number:
                    chain, predict = self._trial_of_rank(n, number, seed, of_trial, choose)
                else:
                    chain, predict = self._trial(n, number, seed, of_trial)
                trains.append(chain[-1])
                predicts.append(predict)
                beside += [*chain, predict]
            choose = self._choose(n, owner, trains, predicts, choose)
            beside.append(choose)
        assert choose
        configs = [stage.config for stage in trains]  # a student's names its labels
        if len(self.shares) > 1:
            configs = [with_seed(one.config, self.seeds_from + seed) for one in self.trained[-1]]
        return ChosenNetwork(choose, tuple(trains), tuple(configs), seed, tuple(beside[:-1]))

    def _trial(self, n: int, number: int, seed: int, owner: Owner) -> tuple[list[Stage], Stage]:
        """What trains a trial in a round, and its prediction of the validation images."""
        chain = self.trained[n][number].stages(self.seeds_from + seed, owner)
        seeded = {key: chain[-1].config[key] for key in ('randomness', 'train_dataloader')}
        config = {**self.tested[n][number], **seeded}
        return chain, make_stage('predict', owner, config, (chain[-1],), self.predict[number])

    def _trial_of_rank(self, n: int, rank: int, seed: int, owner: Owner, choose: Stage) -> tuple[list[Stage], Stage]:
        """The same for a trial that is known by its rank alone, until the round before it has been judged."""
        train = self.trained[n][0].after_choice(self.seeds_from + seed, owner, choose, self.trained[n], rank)
        seeded = {key: train.config[key] for key in ('randomness', 'train_dataloader')}
        own, *others = ({**tested, **seeded} for tested in self.tested[n])
        config = with_alternatives(own, [own, *others], rank)
        ingredients = {**self.predict[0], 'trials predict': digest(self.predict)}
        return [train], make_stage('predict', owner, config, (train, choose), ingredients)

    def _choose(
        self, n: int, owner: Owner, trains: Sequence[Stage], predicts: Sequence[Stage], before: Stage | None
    ) -> Stage:
        tested, is_last = self.tested[n][0], n + 1 == len(self.shares)
        config = {
            'custom_imports': tested.get('custom_imports'),
            'test_dataloader': tested['test_dataloader'],
            NETWORK: dict(
                technique=self.technique,
                trials=self.values,
                trained=[stage.key for stage in trains],
                predicted=[stage.key for stage in predicts],
                share=self.shares[n],
                goes_on=None if is_last else self.going_on[n + 1],
            ),
        }
        ingredients = {'config search': digest(self.values), **_of_score(self.data), **version('choose')}
        if len(self.shares) > 1:
            ingredients['config rounds'] = digest([self.shares[: n + 2], self.going_on[: n + 2]])
        return make_stage('choose', owner, config, [*predicts, *([before] if before else [])], ingredients)


def _of_score(data: Mapping[str, Any]) -> Ingredients:
    """What decides the score of validation images beside their predictions: which class is the background."""
    background = [(leaf.get('metainfo') or {}).get('background') for leaf in leaf_configs(data)]
    return {'config background': digest(background)}


def _refuse_unlike_networks(stack: tuple[str, ...], config: dict, way: str | None, *, trains_after: bool) -> None:
    if way == 'members':
        raise BadInput(
            f"the stack '{stack_name(stack)}' has an ensemble of several configs, and values of a training are chosen "
            'for one; tune it in a row without the ensemble, or leave the technique out of tune_only'
        )
    if trains_after and has_teacher(members(config)[0].config):
        raise BadInput(
            f"the stack '{stack_name(stack)}' has a teacher, whose labels would have to be made after the choice of "
            "values; search with per='seed', without steps, and in a row without an ensemble"
        )


def _validating(network: dict, data: Mapping[str, Any], *, with_views: bool) -> dict:
    """The config with which the network of a trial predicts the validation images; it names no test image."""
    inference = _without_refinements(network) if with_views else {**PLAIN}
    loader = {**network['test_dataloader'], 'dataset': data}
    return {**network, 'inference': inference, 'test_dataloader': loader}


def _without_refinements(network: Mapping[str, Any]) -> dict:
    """How a network predicts: with which views, and how they are merged."""
    return {**network.get('inference', {}), 'refine': {}}


def _of_data(data: Any, context: KeyContext) -> Ingredients:
    return {'data predict': context.fingerprint(data), 'names predict': context.names(data)}
