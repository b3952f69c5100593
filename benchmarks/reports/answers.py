"""What a grid says about the questions of those who would use its techniques, in words and numbers.

Each question has a table and a section. A section is there only if the grid's cells allow an answer.
"""

from typing import NamedTuple

import pandas as pd

from benchmarks.reports.effects_table import effects_table
from benchmarks.reports.speed_answer import speed_answer
from benchmarks.reports.speed_table import speed_table
from benchmarks.reports.stacking_answer import stacking_answer
from benchmarks.reports.table import Results


class Answers(NamedTuple):
    """The answers of a grid.

    Attributes:
        text: The sections in Markdown under one heading; empty if there is none.
        tables: The tables behind them by file name; a table without rows has no file.
    """

    text: str
    tables: dict[str, pd.DataFrame]


def answers(results: Results, stacks: pd.DataFrame) -> Answers:
    """The answers that the records of a grid and its stack table allow."""
    margin = results.grid['equivalence_margin']
    effects, speed = effects_table(results), speed_table(results, stacks)
    sections = [stacking_answer(effects, margin), speed_answer(speed)]
    tables = {'effects.csv': effects, 'speed.csv': speed.table}
    told = [section for section in sections if section]
    return Answers('\n\n'.join(['## What the grid answers', *told]) if told else '', tables)
