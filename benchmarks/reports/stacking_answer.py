"""Which techniques stack well: the section of a report on effects in company, from the table of effects."""

from collections.abc import Iterator

import pandas as pd

from benchmarks.reports.effects_table import ALONE, BOTH, LAST, MAIN, PAIR, SHAPLEY, SUM, WITHOUT
from benchmarks.reports.phrases import NOTHING, interval_text, percent_points, signed, some_of_rows, table_cell

_SHOWN = ('gain', 'loss')
MOST_NAMED = 8  # pairs in one sentence; the rest is in the CSV


def stacking_answer(effects: pd.DataFrame, margin: float) -> str:
    """The section in Markdown; empty without effects.

    Args:
        effects: The table of effects.
        margin: Equivalence margin, percent points.
    """
    if effects.empty:
        return ''
    tables = [_shares(share, effects) for _, share in _of(effects, SHAPLEY).groupby('stack', sort=False)]
    mains = _of(effects, MAIN)
    tables += [_mains(mains)] if len(mains) and not tables else []
    sentences = [*_pairs(_of(effects, PAIR), margin), *_sums(_of(effects, SUM)), *_redundant(effects, margin)]
    listed = '\n'.join(f'- {sentence}' for sentence in sentences)
    closing = (
        'Dice, percent points [95 %, uncorrected]. “Shown” is a corrected p below 0.05: of the effects of one kind '
        'that are called so about 5 % are false. Each effect: [effects.csv](effects.csv).'
    )
    return '\n\n'.join(['### Which techniques stack well', *tables, listed, closing])


def _of(effects: pd.DataFrame, kind: str) -> pd.DataFrame:
    return effects[effects['kind'] == kind]


def _mains(mains: pd.DataFrame) -> str:
    """The table of main effects, where no Shapley values are."""
    lines = ['What each technique gains, averaged over the other techniques:\n']
    aliased = mains['aliases'].ne('').any()
    lines += ['| technique | mean gain [95 %] | verdict |' + (' not told apart from |' if aliased else '')]
    lines += ['|---|---|---|' + ('---|' if aliased else '')]
    for _, row in mains.iterrows():
        cells = [f'`{table_cell(row["technique"])}`', _gain(row), row['verdict']]
        lines.append(f'| {" | ".join([*cells, *([table_cell(row["aliases"]) or NOTHING] if aliased else [])])} |')
    return '\n'.join(lines)


def _shares(share: pd.DataFrame, effects: pd.DataFrame) -> str:
    """The table of what each technique of a full stack contributes."""
    stack = share['stack'].iloc[0]
    lines = [
        _basis_of(share),
        '',
        '| technique | mean gain [95 %] | alone | as the last | least to most, by the other techniques |',
        '|---|---|---|---|---|',
    ]
    for _, row in share.iterrows():
        alone, last = (
            _gain(found.iloc[0]) if len(found) else NOTHING
            for found in (
                effects[
                    (effects['kind'] == kind) & (effects['stack'] == stack) & (effects['technique'] == row['technique'])
                ]
                for kind in (ALONE, LAST)
            )
        )
        lines.append(
            f'| `{table_cell(row["technique"])}` | {_gain(row)} | {alone} | {last} | '
            f'{signed(row["smallest"])} to {signed(row["largest"])} |'
        )
    return '\n'.join(lines)


def _basis_of(share: pd.DataFrame) -> str:
    """How the contributions were found."""
    stack = share['stack'].iloc[0]
    if (share['contexts'] == share['of_contexts']).all():
        total = signed(share['value'].sum())
        return (
            f'What each technique contributes to `{stack}`: its gain, averaged over all orders of adding the '
            f'techniques (Shapley value, exact). The contributions sum to the gain of the whole stack, {total} points.'
        )
    least, most, of = share['contexts'].min(), share['contexts'].max(), share['of_contexts'].iloc[0]
    number = f'{least}' if least == most else f'{least} to {most}'
    return (
        f'What each technique contributes to `{stack}`: its mean gain beside other techniques, each number of them '
        f'weighing alike (Shapley value, estimated: each technique was measured beside {number} of {of} sets of the '
        'others, so the contributions need not sum to the gain of the whole stack).'
    )


def _gain(row: pd.Series) -> str:
    if pd.isna(row['value']):
        return NOTHING
    return f'{signed(row["value"])} {interval_text(row["low"], row["high"], sign=True)}'


def _pairs(pairs: pd.DataFrame, margin: float) -> Iterator[str]:
    """A sentence for each pair with a shown interaction, and one on all others."""
    for word, verdict in (('more', 'gain'), ('less', 'loss')):
        for _, row in pairs[pairs['verdict'] == verdict].iterrows():
            yield (
                f'`{row["technique"]}` and `{row["partner"]}` {"help" if verdict == "gain" else "weaken"} each other: '
                f'each gains {abs(row["value"]):.1f} points {word} beside the other than without it, {_gain(row)}'
                f'{_contexts(row)}.'
            )
    equal, open_ = pairs[pairs['verdict'] == 'equivalent'], pairs[~pairs['verdict'].isin((*_SHOWN, 'equivalent'))]
    if len(equal):
        yield (
            f'Gains add up, within {percent_points(margin)}: '
            f'{some_of_rows([f"`{a}` and `{b}`" for a, b in zip(equal["technique"], equal["partner"])], MOST_NAMED)}.'
        )
    if len(open_):
        widest = (open_['high'] - open_['low']).median() / 2
        known = '' if pd.isna(widest) else f' (half of their intervals are wider than ±{widest:.1f} points)'
        yield (
            f'Whether they help or weaken each other is undecided{known}: '
            f'{some_of_rows([f"`{a}` and `{b}`" for a, b in zip(open_["technique"], open_["partner"])], MOST_NAMED)}.'
        )


def _contexts(row: pd.Series) -> str:
    if row['aliases']:
        return f'; it is not told apart from {row["aliases"]}'
    several = pd.notna(row['contexts']) and row['contexts'] > 1
    return f', the mean over {row["contexts"]} sets of other techniques' if several else ''


def _sums(sums: pd.DataFrame) -> Iterator[str]:
    """What each full stack gains beyond the sum of its techniques alone."""
    for _, row in sums.iterrows():
        words = dict(
            gain='more than the sum of the techniques alone',
            loss='less than the sum of the techniques alone: diminishing returns',
            equivalent='the sum of the techniques alone',
        )
        if row['verdict'] in words:
            said = f'gains {words[row["verdict"]]}, {_gain(row)}'
        else:
            said = f'gains {_gain(row)} beyond the sum of the techniques alone: undecided'
        yield f'`{row["stack"]}` {said}.'


def _redundant(effects: pd.DataFrame, margin: float) -> Iterator[str]:
    """Techniques that can be left out as long as a partner stays."""
    last = _of(effects, LAST).set_index(['stack', 'technique'])
    together = _of(effects, BOTH).set_index(['stack', 'technique', 'partner'])
    for _, row in _of(effects, WITHOUT).iterrows():
        alone = last.loc[(row['stack'], row['technique'])]
        both = together.loc[(row['stack'], *sorted((row['technique'], row['partner'])))]
        if alone['verdict'] == 'equivalent' and row['verdict'] in _SHOWN and both['verdict'] in _SHOWN:
            yield (
                f'In `{row["stack"]}`, `{row["technique"]}` is redundant beside `{row["partner"]}`: leaving it out '
                f'changes less than {percent_points(margin)} ({_gain(alone)}), but leaving out both changes '
                f'{_gain(both)}, and without `{row["partner"]}` it gains {_gain(row)}.'
            )
