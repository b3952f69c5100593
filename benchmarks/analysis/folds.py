"""Folds: their cells become one per seed, and their training sets a source of variance.

**Pooling.** Over the folds of a seed each image is tested once, by a network that has not seen its group. So the counts
of the folds of a seed are put together, and every score is that of one test on all images.

**Variance.** The folds of a grid are one draw of training sets. Another draw would move a difference, and neither
image groups nor seeds show by how much: networks of one fold share their training set. Nor do the folds show it by
themselves, because their training sets overlap, and so do their errors. With ``theta_(f)`` the mean over seeds of a
score without the images of fold f, and F folds,

    V_J     = (F - 1) / F sum_f (theta_(f) - mean)^2
    V_folds = max(0, (1 + F / (F - 1)) V_J - V_groups)                       F - 1 degrees of freedom

``V_J`` is the variance of a mean of F folds if they were independent: ``S^2 / F`` with the variance S^2 of the folds'
scores. Their training sets overlap, so Nadeau and Bengio replace 1 / F by ``1 / F + n_test / n_train``, which is
1 / F + 1 / (F - 1). ``V_J`` holds the variance due to groups as well, because each fold is a sample of them. That part
is counted by itself already, and taken off once. Its enlargement stays: a margin for what overlapping folds do not
show. No estimate is unbiased (Bengio and Grandvalet 2004).

Measured by tests/benchmarks/analysis/test_folds.py, nominal 5 % of intervals that miss the true value. G groups, F
folds, S seeds. The worst of 10 to 60 groups::

    world (standard deviations; groups 1)                naive: groups alone   V_J - V_groups   this one
    another training set changes nothing                 5 %                   5 %              2 %
    each fold's training moves its test by 0.5           41 %                  9 %              5 %
    each group moves what is learned from it by 1        26 %                  12 %             5 %
    each group moves what is learned from it by 2        40 %                  27 %             13 %

Where a seed variance is borrowed, it is 4 % at most, and 14 % in the last world. In whole grids of trainings × seeds ×
folds × groups (tests/helpers/simulated_folds.py: 30 worlds, six rows, two or three seeds, five folds, 20 or 60 groups)
the chance of a false call or more is 2 % at most, and intervals hold 98 % or more; with groups alone they are 26 % and
77 %. The power that is planned with folds is met (tests/benchmarks/analysis/test_power.py). Equal techniques (another
seed's noise alone) are called in 1 % of the cases with two or three seeds.

The last world is its limit: a group's influence on training, hardly visible between folds that share most of their
training images, outweighs by far what the same group shows in the test.

References: Nadeau and Bengio 2003, "Inference for the generalization error"; Bouckaert and Frank 2004, "Evaluating the
replicability of significance tests"; Bengio and Grandvalet 2004, "No unbiased estimator of the variance of K-fold
cross-validation".
"""
# S seeds, F folds, N images

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.record import cell_name

_CELL = r'^(?P<cell>.*__seed\d+)__fold(?P<fold>\d+)$'
_TINY = 1e-12
_WORST = ('peak_mib', 'peak_reserved_mib', 'host_peak_mib')


def enlargement(n_folds: int) -> float:
    """The factor of ``V_J``, of Nadeau and Bengio, for folds of equal size: 2.25 for five."""
    return 1 + n_folds / (n_folds - 1)


def variance_of_folds(without_fold: np.ndarray, variance_groups: np.ndarray) -> np.ndarray:
    """The variance due to the choice of training sets, beyond that due to image groups.

    Args:
        without_fold: (..., S, F), the score of each seed without the images of each fold.
        variance_groups: (...), see :mod:`benchmarks.analysis.resampling`.

    Returns:
        np.ndarray: (...), NaN where a score is undefined without a fold.
    """
    means = without_fold.mean(axis=-2)
    n_folds = means.shape[-1]
    squares = ((means - means.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    return np.maximum(enlargement(n_folds) * (n_folds - 1) / n_folds * squares - variance_groups, 0.0)


def pooled_counts(frame: pd.DataFrame, n_folds: int, source: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """The long table of counts with one cell for all folds of a seed, and the fold in which each image is tested.

    Args:
        frame: One row per cell x image x class. Cells without all of their folds are left out.
        n_folds: The number of folds of the grid.
        source: The name of the file, for messages.

    Raises:
        ValueError: An image is tested in two folds.
    """
    names = frame['cell'].str.extract(_CELL)
    frame = frame.assign(cell=names['cell'], fold=pd.to_numeric(names['fold'])).dropna(subset=['cell'])
    frame = frame[frame['fold'] < n_folds]
    complete = frame.groupby('cell')['fold'].nunique() == n_folds
    frame = frame[frame['cell'].map(complete).astype(bool)]
    of_image = frame.groupby('image')['fold'].agg(['min', 'max'])
    twice = of_image.index[of_image['min'] != of_image['max']]
    if len(twice):
        raise ValueError(f'{source}: image {twice[0]!r} is tested in two folds; run the grid again')
    return frame.drop(columns='fold'), of_image['min'].astype(int).to_dict()


def pooled_records(records: Mapping[str, Mapping], n_folds: int) -> dict[str, dict]:
    """The records of the cells of a grid with folds, one for all folds of a seed; none where one was not written.

    A cell is ok if all of its folds are. Seconds, steps and loss of a training are means over folds, memory is the
    highest, and counts of what acted are sums.
    """
    pairs = dict.fromkeys((record['stack'], record['seed']) for record in records.values())
    names = {pair: [cell_name(*pair, fold) for fold in range(n_folds)] for pair in pairs}
    return {
        cell_name(*pair): _pooled([records[name] for name in of_pair], cell_name(*pair))
        for pair, of_pair in names.items()
        if all(name in records for name in of_pair)
    }


def _pooled(folds: Sequence[Mapping[str, Any]], cell: str) -> dict:
    first = folds[0]
    failed = next((one for one in folds if one['status'] != 'ok'), None)
    pooled = {key: value for key, value in first.items() if key != 'fold'} | dict(
        cell=cell,
        keys={role: _joined([one['keys'].get(role) for one in folds]) for role in first['keys']},
        maps_sha256=_joined([one.get('maps_sha256') for one in folds]),
        changed_pixels=_sum([one['changed_pixels'] for one in folds]),
        train=_training([one['train'] for one in folds]),
        acted={part: sum(one['acted'].get(part, 0) for one in folds) for one in folds for part in one['acted']},
    )
    if failed is not None:
        reason = f'fold {failed["fold"]}: {failed["reason"]}'
        pooled |= dict(status=failed['status'], reason=reason, failed_stage=failed['failed_stage'])
    return pooled


def _training(trainings: Sequence[Mapping[str, Any] | None]) -> dict | None:
    known = [training for training in trainings if training is not None]
    if len(known) < len(trainings):
        return None
    losses = [training['final_loss'] for training in known]
    return dict(known[0]) | dict(
        seconds=float(np.mean([training['seconds'] for training in known])),
        iterations=round(np.mean([training['iterations'] for training in known])),
        final_loss=None if None in losses else float(np.mean(losses)),
        best_constant=None,  # a loss is compared with it in each fold
        **_course(known),
        **{name: max((one[name] for one in known if one[name] is not None), default=None) for name in _WORST},
    )


def _course(trainings: Sequence[Mapping[str, Any]]) -> dict:
    """The course of several trainings, as far as it is recorded: all jumps, the wildest gradients, the mean loss."""
    spikes = [one['loss_spikes'] for one in trainings if one.get('loss_spikes') is not None]
    norms = [one['grad_norm'] for one in trainings if one.get('grad_norm') is not None]
    course: dict[str, Any] = {}
    if spikes:
        course['loss_spikes'] = sum(spikes)
    if norms:
        course['grad_norm'] = max(norms, key=lambda norm: norm['largest'] / max(norm['median'], _TINY))
    for name in ('loss_by_tenth', 'lr_by_tenth'):
        tenths = [one[name] for one in trainings if one.get(name)]
        if tenths and None not in (numbers := [number for tenth in tenths for number in tenth]):
            course[name] = np.reshape(numbers, (len(tenths), -1)).mean(axis=0).tolist()
    return course


def _joined(texts: Sequence[str | None]) -> str | None:
    known = [text for text in texts if text is not None]
    return ' '.join(known) if len(known) == len(texts) else None


def _sum(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
