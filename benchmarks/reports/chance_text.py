"""What chance alone makes of a difference, in the words of a report."""

from collections.abc import Mapping

import pandas as pd

from benchmarks.analysis.chance import BY_ARM, Band
from benchmarks.record import BASELINE
from benchmarks.reports.phrases import interval_text, unit_of

MARK = '°'


def chance_of(comparisons: pd.DataFrame, reference: str = BASELINE) -> Band | None:
    """The band of a row minus a reference, from the comparisons by one metric: that of the row with most seeds.

    None where nothing is known.
    """
    return _of_most_seeds(comparisons[comparisons['reference'] == reference])


def in_figure(band: Band) -> str:
    """What the grey band of a figure is."""
    source = 'the A/A arm' if band.source == BY_ARM else 'the seeds of the baseline alone'
    return f'Grey: where a technique that does nothing would stand with {_seeds(band)}, expected by {source}.'


def is_inside(comparison: Mapping) -> bool:
    """Whether a difference lies inside its band."""
    return bool(comparison['chance_low'] <= comparison['delta'] <= comparison['chance_high'])


def mark_of(comparison: Mapping) -> str:
    """The mark of a difference inside its band; empty for any other one."""
    return MARK if is_inside(comparison) else ''


def chance_text(dice: pd.DataFrame) -> str:
    """Sentences below the table; empty where nothing is known."""
    known = dice[dice['chance_low'].notna()]
    if known.empty:
        return ''
    unit = unit_of(dice.iloc[0])
    bands = {'this baseline': chance_of(dice), 'another row': _between_others(known)}
    if len(set(bands.values())) == 1:
        bands = {'any other training': chance_of(dice)}
    places = [
        f'{interval_text(band.low, band.high, sign=True)} {unit} against {against} ({_seeds(band)})'
        for against, band in bands.items()
        if band is not None
    ]
    sentences = [
        f'Chance alone, {_by(dice)}: a technique that does nothing would stand at {" and at ".join(places)}.',
        'A pair with fewer seeds has a wider band (`chance_low`, `chance_high` in comparisons.csv).',
        f'A Δ between two trainings inside its band is marked {MARK}.',
    ]
    said = True, known['n_seeds'].nunique() > 1, any(is_inside(row) for _, row in known.iterrows())
    return ' '.join(sentence for sentence, holds in zip(sentences, said) if holds)


def _by(dice: pd.DataFrame) -> str:
    """By what the bands are known."""
    if BY_ARM in set(dice['chance_from']):
        return 'by the trainings of the baseline and of its A/A arm (the same stack with other seeds)'
    return 'expected of how far the seeds of the baseline differ (the grid has no A/A arm)'


def _seeds(band: Band) -> str:
    return f'{band.n_seeds} seed{"s" if band.n_seeds > 1 else ""}'


def _between_others(known: pd.DataFrame) -> Band | None:
    """The band around 0 of two rows without the baseline's training; that of a pair with it has another middle."""
    others = known[(known[['stack', 'reference']] != BASELINE).all(axis=1)]
    return _of_most_seeds(others[others['chance_low'] == -others['chance_high']])


def _of_most_seeds(comparisons: pd.DataFrame) -> Band | None:
    known = comparisons[comparisons['chance_low'].notna()]
    if known.empty:
        return None
    row = known.sort_values('n_seeds', ascending=False, kind='stable').iloc[0]
    return Band(float(row['chance_low']), float(row['chance_high']), row['chance_from'], int(row['n_seeds']))
