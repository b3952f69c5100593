"""The band of chance behind every difference, in the words of a report."""

from collections.abc import Mapping

import pandas as pd

from benchmarks.analysis.chance import BY_ARM, Band
from benchmarks.reports.phrases import interval_text, unit_of

MARK = '°'


def chance_of(dice: pd.DataFrame) -> Band | None:
    """The band of the comparisons by one metric; None where nothing is known."""
    known = dice[dice['chance_low'].notna()]
    if known.empty:
        return None
    row = known.iloc[0]
    return Band(float(row['chance_low']), float(row['chance_high']), row['chance_from'])


def in_figure(band: Band) -> str:
    """What the grey band of a figure is."""
    return f'Grey: the baseline {"again (A/A)" if band.source == BY_ARM else "by its seeds alone, expected"}.'


def is_inside(comparison: Mapping) -> bool:
    """Whether a difference lies inside the band."""
    return bool(comparison['chance_low'] <= comparison['delta'] <= comparison['chance_high'])


def mark_of(comparison: Mapping) -> str:
    """The mark of a difference inside the band; empty for any other one."""
    return MARK if is_inside(comparison) else ''


def chance_text(dice: pd.DataFrame) -> str:
    """A sentence below the table; empty where nothing is known."""
    band = chance_of(dice)
    if band is None:
        return ''
    unit = unit_of(dice.iloc[0])
    marked = (
        f'; a Δ between two trainings inside that is marked {MARK}'
        if any(is_inside(row) for _, row in dice.iterrows())
        else ''
    )
    if band.source == BY_ARM:
        return (
            f'Chance alone: the baseline and the same stack trained with other seeds (A/A) differ by '
            f'{interval_text(band.low, band.high, sign=True)} {unit}{marked}.'
        )
    return (
        f'Chance alone, expected of how far the seeds of the baseline differ (the grid has no A/A arm): '
        f'{interval_text(band.low, band.high, sign=True)} {unit} between two trainings of the baseline{marked}.'
    )
