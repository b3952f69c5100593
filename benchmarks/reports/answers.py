"""What a grid says about the questions of those who would use its techniques, in words and numbers.

Each question has a table and a section. A section is there only if the grid's cells allow an answer.
"""

from typing import NamedTuple

import pandas as pd

from benchmarks.analysis.families import PRIMARY, pair_of
from benchmarks.analysis.metrics import DICE, dice_margin, metric_asked
from benchmarks.record import CONTROL_DESIGN
from benchmarks.reports.calibration import calibration_answer, calibration_table
from benchmarks.reports.effects_table import effects_table
from benchmarks.reports.hidden_answer import hidden_answer
from benchmarks.reports.hidden_table import hidden_table
from benchmarks.reports.pair_verdicts import pair_verdicts
from benchmarks.reports.results import Results
from benchmarks.reports.speed_answer import speed_answer
from benchmarks.reports.speed_table import speed_table
from benchmarks.reports.stacking_answer import stacking_answer
from benchmarks.reports.strata_answer import strata_answer
from benchmarks.reports.strata_table import strata_table
from benchmarks.reports.sweep_answer import sweep_answer
from benchmarks.reports.sweep_table import sweeps
from benchmarks.reports.table import metrics_of
from benchmarks.reports.tuning_answer import tuning_answer
from benchmarks.reports.tuning_table import distinct_choices, tuning_table
from benchmarks.reports.views_answer import views_answer
from benchmarks.reports.views_table import views_table
from benchmarks.reports.ways_answer import ways_answer
from benchmarks.reports.ways_table import audit


class Answers(NamedTuple):
    """The answers of a grid.

    Attributes:
        text: The sections in Markdown under one heading; empty if there is none.
        tables: The tables behind them by file name; a table without rows has no file.
    """

    text: str
    tables: dict[str, pd.DataFrame]


def answers(results: Results, stacks: pd.DataFrame, comparisons: pd.DataFrame) -> Answers:
    """The answers that the records of a grid, its stack table and its comparison table allow."""
    margin = 0.0 if _blind(comparisons) else dice_margin(results.grid)
    told_by = {name: pair_verdicts(comparisons[comparisons['metric'] == name]) for name in metrics_of(results.grid)}
    told = told_by[DICE.name]
    effects, speed = effects_table(results, margin, told), speed_table(results, stacks)
    ways, strata, swept = audit(results, told_by), strata_table(results, margin, told), sweeps(results)
    hidden = hidden_table(results, margin, told)
    views, calibration = views_table(results, stacks, margin, told), calibration_table(results)
    label_of = dict(zip(stacks['stack'], stacks['label']))
    trials, metric = tuning_table(results), metric_asked(results.grid)
    by_metric = comparisons[comparisons['metric'] == metric.name]
    primary = {pair_of(row) for row in by_metric[by_metric['family'] == PRIMARY].to_dict('records')}
    sections = [
        tuning_answer(results.grid.get('tuning', {}), distinct_choices(results), stacks, by_metric, metric),
        stacking_answer(effects, margin),
        speed_answer(speed),
        strata_answer(strata, label_of, margin, primary),
        hidden_answer(hidden, label_of, margin),
        views_answer(views, label_of),
        calibration_answer(calibration, label_of),
        sweep_answer(swept, results.grid.get('n_validation_images')),
        ways_answer(ways, label_of, told_by[metric.name]),
    ]
    tables = {
        'effects.csv': effects,
        'speed.csv': speed.table,
        'strata.csv': strata,
        'hidden.csv': hidden,
        'views.csv': views,
        'calibration.csv': calibration,
        'tuning.csv': trials,
        'sweeps.csv': pd.concat([sweep.table for sweep in swept]) if swept else pd.DataFrame(),
        'ways.csv': ways.comparisons,
        'ways_ranks.csv': ways.ranks,
    }
    answered = [section for section in sections if section]
    return Answers('\n\n'.join(['## What the grid answers', *answered]) if answered else '', tables)


def _blind(comparisons: pd.DataFrame) -> bool:
    """Whether a known harm does not show, so that nothing may be called equivalent (benchmarks/analysis/control.py)."""
    controls = comparisons[(comparisons['design'] == CONTROL_DESIGN) & (comparisons['metric'] == 'dice')]
    return len(controls) > 0 and not controls['harm_shows'].any()
