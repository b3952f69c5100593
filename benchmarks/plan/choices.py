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
from benchmarks.stacks.network_trials import NETWORK, full_configs, trial_configs, values_told
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
        trained: The trainings of the trials, in order.
        seed: The seed of these trainings.
        beside: All stages of the trials: their trainings, and their predictions of the validation images.
    """

    choose: Stage
    trained: tuple[Stage, ...]
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
        self.takes = way != 'seeds' and 'shorter' not in trials  # a trial trains what the row trains
        _refuse_unlike_networks(stack, config, way, trains_after=not self.takes or self.per != 'seed')
        networks = [members(each)[0].config for each in trial_configs(config)]
        self.full = [NetworkTraining(members(each)[0].config, context) for each in full_configs(config)]
        self.trained = self.full if self.takes else [NetworkTraining(network, context) for network in networks]
        views = [_without_refinements(network) for network in networks]
        with_views = any(one != views[0] for one in views)
        self.tested = [_validating(network, self.data, with_views=with_views) for network in networks]
        of_data = _of_data(self.data, context)
        self.predict = [{**ingredients_of(tested, context)['predict'], **of_data} for tested in self.tested]

    def chosen(self, seed: int, owner: Owner) -> ChosenNetwork:
        """The choice for the networks of a seed."""
        trains, predicts, beside = [], [], []
        for number, training in enumerate(self.trained, 1):
            of_trial = owner.network(f'trial {number}')
            chain = training.stages(self.seeds_from + seed, of_trial)
            seeded = {key: chain[-1].config[key] for key in ('randomness', 'train_dataloader')}
            config = {**self.tested[number - 1], **seeded}
            predicts.append(make_stage('predict', of_trial, config, (chain[-1],), self.predict[number - 1]))
            trains.append(chain[-1])
            beside += [*chain, predicts[-1]]
        return ChosenNetwork(self._choose(owner, trains, predicts), tuple(trains), seed, tuple(beside))

    def _choose(self, owner: Owner, trains: Sequence[Stage], predicts: Sequence[Stage]) -> Stage:
        config = {
            'custom_imports': self.tested[0].get('custom_imports'),
            'test_dataloader': self.tested[0]['test_dataloader'],
            NETWORK: dict(
                technique=self.technique,
                trials=self.values,
                trained=[stage.key for stage in trains],
                predicted=[stage.key for stage in predicts],
            ),
        }
        ingredients = {'config search': digest(self.values), **_of_score(self.data), **version('choose')}
        return make_stage('choose', owner, config, predicts, ingredients)


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
