"""The conventions of a report: how scores, intervals, verdicts and costs are defined."""

import numpy as np
import pandas as pd

from benchmarks.record import NSD_TOLERANCE_PX
from benchmarks.reports.phrases import percent_points


def conventions(grid: dict, stacks: pd.DataFrame) -> str:
    """One item per score, and items on statistics and cost.

    Args:
        grid: The content of ``grid.json``.
        stacks: The stack table.
    """
    lines = [
        *_scores(grid, stacks),
        *_statistics(grid['equivalence_margin']),
        *_rows_that_test_the_grid(stacks),
        _cost(stacks),
        'All numbers: [table.csv](table.csv), [comparisons.csv](comparisons.csv); facts: `records/`.',
    ]
    return '\n'.join(f'- {line}' for line in lines)


def _scores(grid: dict, stacks: pd.DataFrame) -> list[str]:
    background = grid['background']
    classes = (
        'all classes are foreground (the data set declares no background)'
        if background is None
        else f'all classes but “{grid["classes"][background]}” are foreground'
    )
    undefined = int(np.nansum(stacks['hd95_undefined'].to_numpy(float, na_value=np.nan)))
    return [
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
    ]


def _statistics(margin: float) -> list[str]:
    return [
        '**Seeds**: scores are computed per seed over all images, then averaged over seeds.',
        '**Intervals**: two-way delete-one jackknife over image groups and seeds, each with its own t quantile, half '
        'widths added in quadrature. They speak of this data set and this training recipe only.',
        '**Differences**: percent points, stack minus reference, same images and seeds, only seeds ok on both sides.',
        '**Verdicts**: gain or loss when p < 0.05 after Holm correction over the comparisons of one design and metric '
        '(an interval may exclude 0 although the corrected test does not); equivalent when the 90 % interval lies '
        f'within ±{percent_points(margin)}; not effective when every count and every map is equal and '
        'nothing says that it acted; not learned, without a test, when in a shared seed a network of either side gives '
        'one class everywhere, or its training loss never fell below that of the best constant prediction; undecided '
        'otherwise. Undecided does not mean equal. Designs and metrics are not corrected against one another.',
        '**Seeds that would decide**: the least number for which sqrt(t² V_groups + t² V_seeds S / S′) would be '
        'narrow enough, with the measured difference, group variance and seed variance (of S seeds) kept, at 5 % over '
        'the number of comparisons, or at 10 % for the margin. A rough forecast: the difference will move.',
    ]


def _rows_that_test_the_grid(stacks: pd.DataFrame) -> list[str]:
    """What the rows are for that are no techniques; nothing without such rows."""
    lines, roles = [], set(stacks['role'])
    if 'again' in roles:
        lines.append('**A/A arm**: the baseline trained again with other seeds; how far it lies off is chance.')
    if 'control' in roles:
        lines.append(
            '**Positive control**: a known harm. By a metric by which it is no loss, nothing is called equivalent but '
            'equal predictions, because a harm of that size would not have been seen.'
        )
    return lines


def _cost(stacks: pd.DataFrame) -> str:
    return (
        '**Cost**: latency is per image, end to end, measured alone after warm-up ('
        f'{_samples(stacks)} inferences, its parts apart in 10 more at most), with the weights of one seed; rows '
        'of the same network, views and refinements share one measurement, and on the front latencies that differ by '
        'less than their noise (`latency_noise`, at least 10 % from process to process) count as equal; in the '
        'figure a bar shows that noise where it decides, and a ring a busy machine; '
        'throughput is 1000 / mean latency at batch size 1; training memory is the highest over seeds; train seconds '
        'are the mean over seeds of the whole training behind the row, shared or not, as it ran beside other trainings.'
    )


def _samples(stacks: pd.DataFrame) -> str:
    samples = sorted({int(n) for n in stacks['latency_samples'].dropna()})
    return ' to '.join(map(str, dict.fromkeys([samples[0], samples[-1]]))) if samples else 'no'
