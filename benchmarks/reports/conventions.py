"""The conventions of a report: how scores, intervals, verdicts and costs are defined."""

import numpy as np
import pandas as pd

from benchmarks.analysis.control import A_FEW_ROWS
from benchmarks.analysis.metrics import metric_asked
from benchmarks.record import NSD_TOLERANCE_PX
from benchmarks.reports.looks import looks_conventions


def conventions(grid: dict, stacks: pd.DataFrame) -> str:
    """One item per score, and items on statistics and cost.

    Args:
        grid: The content of ``grid.json``.
        stacks: The stack table.
    """
    lines = [
        *_scores(grid, stacks),
        *_statistics(metric_asked(grid).amount(grid['equivalence_margin'])),
        *looks_conventions(grid),
        *_rows_that_test_the_grid(stacks, grid['equivalence_margin']),
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


def _statistics(margin: str) -> list[str]:
    return [
        '**Seeds**: scores are computed per seed over all images, then averaged over seeds.',
        '**Intervals**: two-way delete-one jackknife over image groups and seeds; only groups with an image in which '
        'the score is defined count. They speak of this data set and this training recipe only. `low` and `high` are '
        'for new seeds: other test images and another training. `checkpoints_low` and `checkpoints_high` are for these '
        'checkpoints: other test images, the same networks.',
        '**Borrowed seed variance** (`lenders`): with few seeds a difference shows little of how far seeds differ, so '
        'its seed variance is drawn towards that of the other trainings of the grid; differences within one training '
        'borrow from one another. Both parts then add as Behrens–Fisher has it, or Satterthwaite where both have five '
        'degrees of freedom and the trainings differ. Nothing is borrowed with two seeds and fewer than 20 arms, with '
        'three trainings or fewer, or for the scores of single rows: there each part has its own t quantile, and the '
        'half widths add in quadrature.',
        '**Shared trainings**: where two rows share their training, a seed acts once on their difference, and a skewed '
        'effect of it (a training in ten that fails with the technique alone) does not cancel: with few seeds such an '
        'interval may be too short.',
        '**Differences**: percent points (of distances pixels, and less is a gain), stack minus reference, same images '
        'and seeds, only seeds ok on both sides.',
        '**Verdicts**: gain or loss when the corrected p < 0.05 (an interval may exclude 0 although the corrected test '
        'does not); equivalent when the 90 % interval lies '
        f'within ±{margin}, each claim with its own 5 %; not effective when every count and every map '
        'is equal and nothing says that it acted; not learned, without a test, when in a shared seed a network of '
        'either side gives one class everywhere, or its training loss never fell below that of the best constant '
        'prediction; undecided otherwise. Undecided does not mean equal.',
        '**Correction**: the primary pairs of a metric (the steps of `cumulative`, or all pairs where there are none) '
        'are corrected by Holm: the chance of one false call or more is at most 5 %. All other pairs are exploratory, '
        'and screened by Benjamini and Hochberg: about 5 % of the calls among them are false. A pair that two designs '
        'compare counts once. Metrics are not corrected against one another.',
        '**False claims** (`false_claim_chance`, `checkpoints_false_claim_chance`): the least share of false ones '
        'among gains and losses with such a t at even odds: if half of all comparisons had no effect, whatever the '
        'others have; and '
        'among claims of equivalence, if half of the differences were as large as the margin. It is B / (1 + B) with '
        'B = 2 (1 + t² / f)^(−(f + 1) / 2), or a quarter of that for equivalence; t counts standard errors from 0, or '
        "from the margin, and f is Satterthwaite's number of degrees of freedom. The fewer comparisons have an effect, "
        'the more claims are false.',
        '**Chance** (`chance_low`, `chance_high`, `chance_from`): where 95 of 100 techniques that do nothing would '
        'stand, with the n seeds of the pair. The N trainings of the baseline and of its A/A arm have mean M and '
        'variance V, and the baseline has mean B in the seeds of the pair: '
        '`M − B ± t(0.05, N − 1) √(V (1 / n + 1 / N))` against the baseline, and '
        '`± t(0.05, N − 1) √(2 V / n)` between two rows without its training, from three trainings on. A difference '
        'outside is not shown by that: the verdict shows it. Within one training it says nothing.',
        '**What would decide**: the least number of seeds S′, or of groups G′, for which the interval would be narrow '
        'enough, with the measured difference kept and V_seeds S / S′, or V_groups G / G′, in place of the measured '
        'variances, at 5 % over the number of comparisons, or at 10 % for the margin; in brackets the range over the '
        'middle half of what the difference may be. A rough forecast.',
    ]


def _rows_that_test_the_grid(stacks: pd.DataFrame, margin: float) -> list[str]:
    """What the rows are for that are no techniques; and that a control is missing among more than a few rows."""
    lines, roles = [], set(stacks['role'])
    if 'again' in roles:
        lines.append('**A/A arm**: the baseline trained again with other seeds; how far it lies off is chance.')
    if 'control' in roles:
        lines.append(
            '**Positive control**: a known harm. By a metric by which it is no loss, nothing is called equivalent but '
            'equal predictions, because a harm of that size would not have been seen. If it learned nothing in any of '
            'its seeds, two at least, and the baseline learned in each, the harm shows by each metric by which the '
            'control scores worse; so it does if the control learned nothing in more seeds than chance explains '
            '(Fisher’s exact test, one-sided at 2.5 %; `harm_shows`).'
        )
    elif margin and len(stacks) > A_FEW_ROWS:
        lines.append(
            f'**No positive control**: none of these {len(stacks)} rows is a known harm, so “equivalent” rests on no '
            'control: nothing shows that this grid would have seen a harm.'
        )
    return lines


def _cost(stacks: pd.DataFrame) -> str:
    return (
        '**Cost**: latency is per image, end to end, measured alone after warm-up ('
        f'{_samples(stacks)} inferences, its parts apart in 10 more at most), with the weights of one seed; rows '
        'of the same network, views and refinements share one measurement; in the figure latencies that differ by '
        'less than their noise (`latency_noise`, at least 10 % from process to process) count as equal, '
        'a bar shows that noise where it decides, and a ring a busy machine; '
        'throughput is 1000 / mean latency at batch size 1; training memory is the highest over seeds; train seconds '
        'are the mean over seeds of the whole training behind the row, shared or not, as it ran beside other trainings.'
    )


def _samples(stacks: pd.DataFrame) -> str:
    samples = sorted({int(n) for n in stacks['latency_samples'].dropna()})
    return ' to '.join(map(str, dict.fromkeys([samples[0], samples[-1]]))) if samples else 'no'
