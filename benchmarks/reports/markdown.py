"""The report in words: the improvement table, how to read it, and what it rests on."""

import numpy as np
import pandas as pd

from benchmarks.record import BASELINE, NSD_TOLERANCE_PX
from benchmarks.reports.table import Results

_NOTHING = '–'


def report_markdown(results: Results, stacks: pd.DataFrame, comparisons: pd.DataFrame, has_figure: bool) -> str:
    """The text of ``report/README.md``.

    Args:
        results: All that was read.
        stacks: The stack table.
        comparisons: The comparison table.
        has_figure: Whether ``accuracy_speed.png`` lies beside the text.
    """
    dice = comparisons[comparisons['metric'] == 'dice']
    sections = [
        f'# {results.grid["title"]}',
        _basis(results, stacks),
        _improvement_table(stacks, dice),
        _published_caution(stacks),
        '![Dice over latency](accuracy_speed.png)'
        if has_figure
        else 'No accuracy–speed figure: no stack has both a Dice and a measured latency.',
        '## How to read each row',
        _readings(stacks, dice, results.grid['equivalence_margin']),
        '## Conventions',
        _conventions(results, stacks),
        '## Where it ran',
        _provenance(results),
    ]
    return '\n\n'.join(section for section in sections if section) + '\n'


def signed(value: float, decimals: int = 1) -> str:
    """A number with its sign, a true minus, and no sign when it rounds to zero: ``+1.2``, ``−0.4``, ``0.0``."""
    rounded = round(value, decimals) + 0.0
    return f'{rounded:+.{decimals}f}'.replace('-', '−') if rounded else f'{0:.{decimals}f}'


def _plain(value: float, decimals: int = 1) -> str:
    return _NOTHING if pd.isna(value) else f'{value:.{decimals}f}'


def _short(value: float) -> str:
    return _NOTHING if pd.isna(value) else f'{value:.1f}' if value < 100 else f'{value:.0f}'


def _range(low: float, high: float, sign: bool) -> str:
    if pd.isna(low):
        return '[no interval]'
    return f'[{signed(low)}, {signed(high)}]' if sign else f'[{low:.1f}, {high:.1f}]'


def _points(value: float) -> str:
    return f'{value:g} percent point{"" if value == 1 else "s"}'


def _cell_text(text: str) -> str:
    # A bar in a name would open another column.
    return text.replace('|', '\\|')


def _basis(results: Results, stacks: pd.DataFrame) -> str:
    planned, data = len(results.grid['seeds']), results.grid['dataset']
    ok = stacks[stacks['n_seeds'] > 0]
    if ok.empty:
        return f'**No cell succeeded.** {len(stacks)} stacks x {planned} seeds on {data["name"]}; reasons below.'
    row = ok.iloc[0]
    seeds = '**one seed only**' if planned == 1 else f'{planned} seeds, fewer where the row says so'
    text = (
        f'Dice on {data["name"]}: {row["n_images"]} test images in {row["n_groups"]} independent groups, {seeds}. '
        '[low, high] is a 95 % interval over image groups'
    )
    if planned > 1:
        return text + ' and seeds: it allows for other test images of this kind and for another training of this kind.'
    return text + (
        ' alone. Another training may move every number further than that, in either direction: '
        '**no verdict is given from one seed.**'
    )


def _improvement_table(stacks: pd.DataFrame, dice: pd.DataFrame) -> str:
    lines = [
        '| row | Dice, % [95 %] | Δ previous row | Δ baseline | published Dice, % | latency p50, ms | train, s |',
        '|---|---|---|---|---|---|---|',
    ]
    for index, row in stacks.iterrows():
        previous = stacks['stack'][index - 1] if index else None
        lines.append(
            '| '
            + ' | '.join(
                [
                    _cell_text(row['label']),
                    _dice_text(row),
                    _delta_text(_find(dice, row['stack'], previous)),
                    _delta_text(_find(dice, row['stack'], BASELINE)),
                    _plain(row['published_dice']),
                    _short(row['latency_ms_p50']),
                    _short(row['train_s']),
                ]
            )
            + ' |'
        )
    return '\n'.join(lines)


def _dice_text(row: pd.Series) -> str:
    if not row['n_seeds']:
        return row['status']
    text = f'{_plain(row["dice"])} {_range(row["dice_low"], row["dice_high"], sign=False)}'
    if row['status'] == 'ok':
        return text
    seeds = '1 seed, so the interval covers images only' if row['n_seeds'] == 1 else f'{row["n_seeds"]} seeds'
    return f'{text} ({seeds}; {row["status"]})'


def _delta_text(comparison: pd.Series | None) -> str:
    if comparison is None:
        return _NOTHING
    if pd.isna(comparison['delta']):
        return comparison['verdict']
    return (
        f'{signed(comparison["delta"])} {_range(comparison["low"], comparison["high"], sign=True)} '
        f'{_emphasis(comparison["verdict"])}'
    )


def _emphasis(verdict: str) -> str:
    return f'**{verdict}**' if verdict in ('gain', 'loss') else verdict


def _find(dice: pd.DataFrame, stack: str, reference: str | None) -> pd.Series | None:
    """The first comparison of the pair in the order of the grid: a pair may appear in several designs."""
    found = dice[(dice['stack'] == stack) & (dice['reference'] == reference)]
    return None if found.empty else found.iloc[0]


def _published_caution(stacks: pd.DataFrame) -> str:
    if stacks['published_dice'].isna().all():
        return ''
    return (
        'The published Dice comes from elsewhere: other data, other training, other code. It was not reproduced '
        'here; compare the direction of a step with it, never the level.'
    )


def _readings(stacks: pd.DataFrame, dice: pd.DataFrame, margin: float) -> str:
    lines = []
    for index, row in stacks.iterrows():
        rows = dice[dice['stack'] == row['stack']]
        sentences = [_reading(comparison, stacks, margin) for _, comparison in rows.iterrows()]
        if row['status'] != 'ok':
            sentences.insert(
                0,
                f'{row["status"]}; '
                + (
                    'what follows rests on the seeds that survived, which may flatter it.'
                    if row['n_seeds']
                    else 'it has no numbers, which says nothing about its accuracy.'
                ),
            )
        if row['changed_pixels'] is not pd.NA and row['changed_pixels'] == 0:
            sentences.append('Its refinement changed no pixel in any seed.')
        if not sentences:
            sentences = [
                'the reference of other rows.'
                if row['stack'] in set(dice['reference'])
                else 'compared with nothing in this grid.'
            ]
        lines.append(f'- **{row["label"]}**: ' + ' '.join(sentences))
    return '\n'.join(lines + ['', _steps(stacks, dice)])


def _reading(comparison: pd.Series, stacks: pd.DataFrame, margin: float) -> str:
    reference = stacks.loc[stacks['stack'] == comparison['reference'], 'label'].iloc[0]
    against = f'against “{reference}” ({comparison["design"]})'
    if comparison['verdict'] == 'missing':
        return f'missing {against}: there is nothing to compare.'
    if comparison['verdict'] == 'not effective':
        return (
            f'not effective {against}: every count of every image is the same in all {comparison["n_seeds"]} '
            f'shared seeds, so it did nothing at run time{_idle(comparison)}.'
        )
    if comparison['same_counts']:
        return (
            f'the same predictions {against}: every count of every image is the same in all '
            f'{comparison["n_seeds"]} shared seeds. It acted ({comparison["acted"]}), so look at its cost.'
        )
    number = f'{signed(comparison["delta"])} points {_range(comparison["low"], comparison["high"], sign=True)}'
    return f'{comparison["verdict"]}: {number} {against}, {_because(comparison, margin)}{_idle(comparison)}.'


def _idle(comparison: pd.Series) -> str:
    return f'; {comparison["idle"]} never acted' if comparison['idle'] else ''


def _because(comparison: pd.Series, margin: float) -> str:
    seeds = f'{comparison["n_seeds"]} seed{"s" if comparison["n_seeds"] > 1 else ""}'
    if not comparison['seeds_covered']:
        return f'{seeds}: not tested, another training might say the opposite'
    if pd.isna(comparison['p_corrected']):
        return f'{seeds}: not tested, there are fewer than two image groups or a score is undefined without one'
    corrected = comparison['p_corrected']
    p = 'p < 0.001' if corrected < 0.001 else f'p = {corrected:.3f}'
    if comparison['verdict'] == 'equivalent':
        return f'{seeds}, corrected {p}; the difference is smaller than {_points(margin)}'
    if comparison['verdict'] == 'undecided':
        return f'{seeds}, corrected {p}; {_undecided(comparison)}'
    return f'{seeds}, corrected {p}'


def _undecided(comparison: pd.Series) -> str:
    if comparison['low'] > 0 or comparison['high'] < 0:
        return (
            'alone its interval excludes 0, but among this many comparisons that may be chance: compare fewer, or '
            'run more seeds'
        )
    return 'neither a difference nor its absence is shown'


def _steps(stacks: pd.DataFrame, dice: pd.DataFrame) -> str:
    found = [
        (stacks['label'][i], _find(dice, stacks['stack'][i], stacks['stack'][i - 1])) for i in range(1, len(stacks))
    ]
    compared = [(label, step) for label, step in found if step is not None]
    if not compared:
        return 'No row is compared with the row before it.'
    gains = [label for label, step in compared if step['verdict'] == 'gain']
    named = ', '.join(f'“{label}”' for label in gains) if gains else 'none'
    return f'Steps from one row to the next that are gains: {named} (of {len(compared)} compared).'


def _conventions(results: Results, stacks: pd.DataFrame) -> str:
    grid = results.grid
    background = grid['background']
    classes = (
        'all classes are foreground (the data set declares no background)'
        if background is None
        else f'all classes but “{grid["classes"][background]}” are foreground'
    )
    undefined = int(np.nansum(stacks['hd95_undefined'].to_numpy(float, na_value=np.nan)))
    lines = [
        '**Dice** (`dice`): mean over images of the mean over foreground classes present in prediction or truth of '
        f'2 tp / (2 tp + fp + fn); {classes}. An image without any is left out.',
        '**mDice, mIoU** (`mdice`, `miou`): pooled over the data set, mean over all classes, background included; '
        "mmseg's `IoUMetric` convention. They differ from Dice by definition: compare like with like.",
        '**Boundary IoU** (`boundary_iou`): as Dice, of tp / (tp + fp + fn) within the boundary band.',
        '**HD95** (`hd95_px`): pixels; mean over images and foreground classes where the class is in prediction and '
        f'truth. Undefined, hence left out: {undefined} (image, class, seed) of all rows (`hd95_undefined`).',
        '**NSD** (`nsd`): surface Dice; as Dice, of the edge pixels of prediction and truth that lie within '
        f'{NSD_TOLERANCE_PX} pixels of the other edge. **ASSD** (`assd_px`): pixels; as HD95, of the mean distance '
        'between the two edges.',
        '**Seeds**: scores are computed per seed over all images, then averaged over seeds.',
        '**Intervals**: two-way delete-one jackknife over image groups and seeds, each with its own t quantile, half '
        'widths added in quadrature. They speak of this data set and this training recipe only.',
        '**Differences**: percent points, stack minus reference, same images and seeds, only seeds ok on both sides.',
        '**Verdicts**: gain or loss when p < 0.05 after Holm correction over the comparisons of one design and metric '
        '(an interval may exclude 0 although the corrected test does not); equivalent when the 90 % interval lies '
        f'within ±{_points(grid["equivalence_margin"])}; not effective when every count is equal and '
        'nothing says that it acted; undecided otherwise. Undecided does not mean equal. Designs and metrics are not corrected against one another.',
        '**Cost**: latency is per image, end to end, measured alone after warm-up ('
        f'{_samples(stacks)} inferences, its parts apart in 10 more at most), with the weights of the first seed; '
        'throughput is 1000 / mean latency at batch size 1; training memory is the highest over seeds; train seconds '
        'are the mean over seeds of the whole training behind the row, shared or not, as it ran beside other trainings.',
        'All numbers: [table.csv](table.csv), [comparisons.csv](comparisons.csv); facts: `records/`.',
    ]
    return '\n'.join(f'- {line}' for line in lines)


def _samples(stacks: pd.DataFrame) -> str:
    samples = sorted({int(n) for n in stacks['latency_samples'].dropna()})
    return ' to '.join(map(str, dict.fromkeys([samples[0], samples[-1]]))) if samples else 'no'


def _provenance(results: Results) -> str:
    grid = results.grid
    images = ', '.join(f'{split} {number}' for split, number in grid['dataset']['n_images'].items())
    lines = [
        f'Seeds: {", ".join(map(str, grid["seeds"]))}',
        f'Data: {grid["dataset"]["name"]} ({images} images)',
        f'Device: {grid["device"]}',
        f'Command: `{grid["command"]}`',
    ]
    lines += [f'{name}: {value}' for name, value in grid['environment'].items()]
    lines += [
        f'Profiled on: {device}, {threads} threads'
        for device, threads in sorted(
            {(p['device'], p['threads']) for p in results.profiles.values() if p['status'] == 'ok'}
        )
    ]
    lines += [f'Note: {note}' for note in grid['notes']]
    lines += [
        f'{cell}: {record["status"]} in {record["failed_stage"]}: {_one_line(record["reason"])}'
        for cell, record in sorted(results.records.items())
        if record['status'] != 'ok'
    ]
    lines += [
        f'{stack}, profile: {profile["status"]}: {_one_line(profile["reason"])}'
        for stack, profile in sorted(results.profiles.items())
        if profile['status'] != 'ok'
    ]
    return '\n'.join(f'- {line}' for line in lines)


def _one_line(reason: str) -> str:
    return ' '.join(reason.split())
