"""Tuned rows of a grid: which techniques have a search, how many trials each gets, and which images try them."""

from collections.abc import Mapping
from typing import Any

from benchmarks.data.dataset_configs import leaf_configs, lists_same_images
from benchmarks.errors import BadInput
from benchmarks.plan.layout import Layout
from benchmarks.plan.tuned_rows import with_tuned_rows
from benchmarks.session.baseline import Baseline
from benchmarks.stacks.merging import merge
from benchmarks.stacks.technique import Stack, Technique
from benchmarks.stacks.tuning import SEARCH, search_config, tuned, tuned_name

GIVE_IMAGES = (
    'give val_dataloader.dataset of the baseline images that no arm trains on and no test shows, or have some carved '
    'out of the training images by validation_share=0.2 in the grid, or run without tuned rows (--tune, or tune in the '
    'grid)'
)


def add_tuned_rows(layout: Layout, techniques: Mapping[str, Technique]) -> tuple[Layout, dict[str, Technique]]:
    """The layout with tuned rows, and the techniques with those of the tuned rows.

    Raises:
        BadInput: No technique of the grid has a ``search``.
    """
    searched = {name for name, technique in techniques.items() if technique.search and name not in layout.variants}
    new = with_tuned_rows(layout, searched)
    if not new.tuned_of:
        raise BadInput(
            '--tune: no technique of this grid has a search, so there is nothing to tune; give a technique file '
            'search=dict(space=dict(key=[value, ...]), trials=30), or run without tuned rows (--tune, or tune in the '
            'grid)'
        )
    return new, {**techniques, **{tuned_name(name): tuned(techniques[name]) for name in searched}}


def number_of_trials(asked: int, techniques: Mapping[str, Technique], layout: Layout) -> int:
    """The number of trials of each technique: what ``--tune`` says, or the largest number that one of them asks for."""
    rows = {name for stack in layout.tuned_of for name in stack}
    return (
        asked
        if asked > 0
        else max(row.search['trials'] for name, row in techniques.items() if name in rows and row.search)
    )


def with_searches(
    configs: Mapping[Stack, dict], layout: Layout, techniques: Mapping[str, Technique], number: int, baseline: Baseline
) -> dict[Stack, dict]:
    """The configs, in which tuned rows have the key ``search``.

    Args:
        configs: The resolved config of each stack.
        layout: The layout with tuned rows.
        techniques: Techniques by name.
        number: The number of trials of each technique.
        baseline: The baseline, with its validation data set.

    Raises:
        BadInput: The baseline has no validation images, or they are the test images.
    """
    validation = _validation(baseline)
    found = dict(configs)
    for stack, plain in layout.tuned_of.items():
        clean = layout.clean_stack_of.get(stack, stack)
        data = _loaded_as_tested(validation, configs[clean]['test_dataloader']['dataset'])
        of_files = [techniques[name] for name in plain if tuned_name(name) in stack]
        found[stack] = {**configs[stack], SEARCH: search_config(of_files, number, data)}
    return found


def _validation(baseline: Baseline) -> Mapping[str, Any]:
    """The baseline's validation data set.

    Raises:
        BadInput: There is none, or it lists the test images.
    """
    tested = merge(baseline.raw, baseline.options)['test_dataloader']['dataset']  # folds have put another one there
    if not baseline.validation:
        raise BadInput(f'--tune chooses values on validation images, and the baseline has none; {GIVE_IMAGES}')
    if lists_same_images(baseline.validation, tested):
        raise BadInput(
            f'--tune: the val_dataloader of the baseline lists its test images, and values that are chosen on them '
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
