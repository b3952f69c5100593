"""The search of a baseline: values of its own config, by default the learning rate, as a technique that no file holds.

An ablation that tunes techniques and not their baseline compares the tuning. So the baseline gets as many trials as
each technique whose training is tuned. A grid may say among what::

    baseline_search = dict(space={'optim_wrapper.optimizer.lr': dict(low=1e-4, high=1e-1, log=True)}, trials=8)
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.errors import BadInput, did_you_mean
from benchmarks.record import BASELINE, TUNED_BASELINE
from benchmarks.stacks.compose import nested
from benchmarks.stacks.search import FEWEST_TRIALS, search_mistakes
from benchmarks.stacks.technique import Technique
from benchmarks.stacks.tree import walk
from benchmarks.stacks.tuning import refining

FIELD = 'baseline_search'
LEARNING_RATE = 'optim_wrapper.optimizer.lr'
WIDTH = 10  # by default the learning rate is searched from a tenth of the baseline's to ten times as much


def baseline_technique(base: dict, search: Mapping[str, Any]) -> Technique:
    """The baseline as a technique that sets what is searched to the values that the baseline has.

    Args:
        base: The baseline's config under the protocol.
        search: The field ``baseline_search`` of the grid; empty for a search of the learning rate.

    Raises:
        BadInput: The config has no such key, or the search is none.
    """
    has = {'.'.join(map(str, path)): value for path, value in walk(base)}
    space = search.get('space') or {LEARNING_RATE: _around(has.get(LEARNING_RATE))}
    missing = [key for key in space if key not in has]
    if missing:
        known = [key for key in has if key]
        raise BadInput(
            *(
                f"{FIELD}: the baseline's config has no '{key}'{did_you_mean(str(key), known)}; give the whole path of "
                'a key that it has'
                for key in missing
            )
        )
    overlay = nested({key: has[key] for key in space}, base)
    complete = {'trials': FEWEST_TRIALS, **search, 'space': space}
    if mistakes := search_mistakes(complete, overlay, FIELD):
        raise BadInput(*(text.replace(f'{FIELD}: search', FIELD) for text in mistakes))
    technique = Technique(BASELINE, BASELINE, 'The baseline with other values.', overlay, search=complete)
    if refining(technique):
        raise BadInput(f'{FIELD}: values of refinements are those of a technique; give keys of the training')
    return technique


def _around(learning_rate: Any) -> dict[str, Any]:
    """The range of the learning rate.

    Raises:
        BadInput: The baseline has no single learning rate.
    """
    if type(learning_rate) not in (int, float) or learning_rate <= 0:
        raise BadInput(
            f'the baseline is tuned beside techniques whose training is, and its {LEARNING_RATE} is {learning_rate!r}; '
            f'give the grid {FIELD}=dict(space=dict(key=dict(low=..., high=..., log=True))), with keys of the '
            "baseline's config"
        )
    return dict(low=float(learning_rate) / WIDTH, high=float(learning_rate) * WIDTH, log=True)


def tuned_baseline(techniques: Mapping[str, Technique]) -> Technique:
    """The technique of :func:`baseline_technique`, under its own name, from the techniques of a grid with its row."""
    return replace(techniques[TUNED_BASELINE], name=BASELINE)
