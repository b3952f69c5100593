"""Tuned rows of a grid: which techniques have a search, how many trials each gets, and which images try them."""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any

from benchmarks.data.dataset_configs import leaf_configs, lists_same_images
from benchmarks.errors import BadInput, did_you_mean
from benchmarks.plan.layout import Layout
from benchmarks.plan.tuned_rows import with_tuned_rows
from benchmarks.record import TUNED_BASELINE
from benchmarks.session.baseline import Baseline
from benchmarks.stacks.compose import compose
from benchmarks.stacks.merging import merge
from benchmarks.stacks.network_trials import NETWORK, network_trials
from benchmarks.stacks.references import Levels
from benchmarks.stacks.shorter import part_of_steps
from benchmarks.stacks.technique import Stack, Technique
from benchmarks.stacks.tuned_baseline import tuned_baseline
from benchmarks.stacks.tuning import SEARCH, Values, search_config, training, tried, tuned, tuned_name

GIVE_IMAGES = (
    'give val_dataloader.dataset of the baseline images that no arm trains on and no test shows, or have some carved '
    'out of the training images by validation_share=0.2 in the grid, or run without tuned rows (--tune, or tune in the '
    "grid) and without choose='validation'"
)
SHORTER = 'part_of_steps'


def add_tuned_rows(
    layout: Layout, techniques: Mapping[str, Technique], only: Collection[str] | None
) -> tuple[Layout, dict[str, Technique]]:
    """The layout with tuned rows, and the techniques with those of the tuned rows, but for the baseline's.

    Args:
        layout: The stacks and comparisons of all designs.
        techniques: Techniques by name.
        only: The techniques that are tuned, as the grid's ``tune_only`` says; None for all that have a ``search``.

    Raises:
        BadInput: No technique of the grid has a ``search``, or ``only`` names others.
    """
    known = {name for name, technique in techniques.items() if technique.search and name not in layout.variants}
    _refuse_unsearched(only or (), known, techniques)
    searched = known if only is None else set(only)
    trained = {name for name in searched if training(techniques[name])}
    new = with_tuned_rows(layout, searched, trained)
    if not new.tuned_of:
        raise BadInput(
            '--tune: no technique of this grid has a search, so there is nothing to tune; give a technique file '
            'search=dict(space=dict(key=[value, ...]), trials=30), or run without tuned rows (--tune, or tune in the '
            'grid)'
        )
    return new, {**techniques, **{tuned_name(name): tuned(techniques[name]) for name in searched}}


def _refuse_unsearched(only: Collection[str], known: Collection[str], techniques: Collection[str]) -> None:
    mistakes = [
        f"tune_only names '{name}', "
        + (
            'whose file has no search; give it search=dict(space=dict(key=[value, ...]), trials=30), or take it out'
            if name in techniques
            else f'which is no technique of this grid{did_you_mean(str(name), known)}'
        )
        for name in only
        if name not in known
    ]
    if mistakes:
        raise BadInput(*mistakes)


def number_of_trials(
    asked: int, techniques: Mapping[str, Technique], layout: Layout, baseline_search: Mapping[str, Any]
) -> int:
    """The number of trials of each technique: what ``--tune`` says, or the largest number that one of them asks for.

    Args:
        asked: Below 1 for the largest number.
        techniques: Techniques by name.
        layout: The layout with tuned rows.
        baseline_search: The search of the grid for the baseline.
    """
    if asked > 0:
        return asked
    rows = {name for stack in layout.tuned_of for name in stack}
    wanted = [row.search['trials'] for name, row in techniques.items() if name in rows and row.search]
    return max([*wanted, baseline_search.get('trials', 0)])


class Trials:
    """Composes the trials of tuned rows.

    Args:
        base: The config of the baseline under the protocol.
        techniques: Techniques by name, with that of the tuned baseline if it is a row.
        levels: Measures the feature maps that reach the heads of a config.
        number: The number of trials of each technique.
    """

    def __init__(
        self, base: dict, techniques: Mapping[str, Technique], levels: Callable[[dict], Levels], number: int
    ) -> None:
        self.base, self.techniques, self.levels, self.number = base, techniques, levels, number

    def tuned_in(self, stack: Stack, plain: Stack) -> list[Technique]:
        """The techniques that a row tunes, in its order, under their own names."""
        found = [self.techniques[name] for name in plain if tuned_name(name) in stack]
        return [tuned_baseline(self.techniques), *found] if TUNED_BASELINE in stack else found

    def of_network(self, stack: Stack, plain: Stack, own: dict) -> dict:
        """The trials of a row's network; empty for a row whose network is not tuned."""
        tuned_here = self.tuned_in(stack, plain)
        return network_trials(tuned_here, self.number, own, partial(self.composed, plain, tuned_here, own))

    def composed(
        self, plain: Stack, tuned_here: list[Technique], own: dict, values: Mapping[str, Values], share: float
    ) -> dict:
        """The config of a row with the values of a trial, trained for a share of the schedule."""
        if share == 1 and not any(values.values()):
            return own
        others = [self.techniques[name] for name in plain if name not in values]
        # The baseline with its own values changes nothing, and is no technique then.
        of_trial = [one for one in tuned_here if one.name in values and (one.name in plain or values[one.name])]
        rows = [*others, *(tried(one, values[one.name]) for one in of_trial)]
        base = self.base
        if share < 1:
            shorter = Technique(SHORTER, 'a part of the steps', 'Trains a part as long.', part_of_steps(base, share))
            base = compose(base, (SHORTER,), {SHORTER: shorter}, self.levels)
        return compose(base, tuple(row.name for row in rows), {row.name: row for row in rows}, self.levels)


def with_searches(
    configs: Mapping[Stack, dict], layout: Layout, trials: Trials, baseline: Baseline
) -> dict[Stack, dict]:
    """The configs, in which tuned rows have the key ``search``, and points of sweeps that are compared on validation.

    Args:
        configs: The resolved config of each stack.
        layout: The layout with tuned rows.
        trials: Composes the trials.
        baseline: The baseline, with its validation data set.

    Raises:
        BadInput: The baseline has no validation images, or they are the test images.
    """
    validation = _validation(baseline, '--tune' if layout.tuned_of else "choose='validation' of a sweep")
    found = dict(configs)
    for stack in layout.validated:
        data = _loaded_as_tested(validation, configs[stack]['test_dataloader']['dataset'])
        found[stack] = {**configs[stack], SEARCH: search_config([], 0, data)}
    for stack, plain in layout.tuned_of.items():
        clean = layout.clean_stack_of.get(stack, stack)
        data = _loaded_as_tested(validation, configs[clean]['test_dataloader']['dataset'])
        search = search_config(trials.tuned_in(stack, plain), trials.number, data)
        # Under a condition the choice of the clean row holds.
        network = trials.of_network(stack, plain, configs[stack]) if clean == stack else {}
        found[stack] = {**configs[stack], SEARCH: {**search, **({NETWORK: network} if network else {})}}
    return found


def variants_tried(configs: Iterable[Mapping[str, Any]], techniques: Mapping[str, Technique]) -> list[Technique]:
    """The techniques with the values of each trial of a network, under names that say them; each once.

    Args:
        configs: The configs of stacks.
        techniques: Techniques by name, with that of the tuned baseline if it is a row.
    """
    baseline = [tuned_baseline(techniques)] if TUNED_BASELINE in techniques else []
    by_name = {**techniques, **{one.name: one for one in baseline}}
    values = [trial for config in configs for trial in (config.get(SEARCH) or {}).get(NETWORK, {}).get('values', [])]
    variants = [tried(by_name[name], of) for trial in values for name, of in trial.items() if of]
    return list({one.name: one for one in variants}.values())


def _validation(baseline: Baseline, asked_by: str) -> Mapping[str, Any]:
    """The baseline's validation data set.

    Raises:
        BadInput: There is none, or it lists the test images.
    """
    tested = merge(baseline.raw, baseline.options)['test_dataloader']['dataset']  # folds have put another one there
    if not baseline.validation:
        raise BadInput(f'{asked_by} chooses values on validation images, and the baseline has none; {GIVE_IMAGES}')
    if lists_same_images(baseline.validation, tested):
        raise BadInput(
            f'{asked_by}: the val_dataloader of the baseline lists its test images, and values that are chosen on them '
            f'would be chosen on the test; {GIVE_IMAGES}'
        )
    return baseline.validation


def _loaded_as_tested(validation: Mapping[str, Any], tested: Mapping[str, Any]) -> dict:
    """The validation data set with the pipeline of a stack's test data set."""
    pipeline = next(leaf_configs(tested)).get('pipeline', [])

    def loaded(dataset: Mapping[str, Any]) -> dict:
        if 'dataset' in dataset:
            return {**dataset, 'dataset': loaded(dataset['dataset'])}
        if 'datasets' in dataset:
            return {**dataset, 'datasets': [loaded(one) for one in dataset['datasets']]}
        return {**dataset, 'pipeline': pipeline}

    return loaded(validation)
