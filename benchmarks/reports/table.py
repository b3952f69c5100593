"""The two tables of a report: one row per stack, one row per comparison."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.analysis.control import harm_shows, without_blind_equivalence
from benchmarks.analysis.counts import Counts
from benchmarks.analysis.differences import Scores, stack_estimate
from benchmarks.analysis.learning import LOSS, ONE_CLASS
from benchmarks.analysis.looks import compare_over_looks
from benchmarks.analysis.metrics import margins_of, metric_asked
from benchmarks.analysis.resampling import interval
from benchmarks.analysis.scores import hd95_undefined
from benchmarks.analysis.verdicts import METRICS, compare
from benchmarks.files import write_atomic
from benchmarks.record import CONTROL_DESIGN, cell_name, seeds_of
from benchmarks.reports.chance_of_pairs import ChanceOfPairs
from benchmarks.reports.columns import COMPARISON_COLUMNS, CONTROL_COLUMNS, FOLD_COLUMNS, STACK_COLUMNS
from benchmarks.reports.interim import OPEN, open_profiles_of, open_seeds_of, with_open_verdicts
from benchmarks.reports.results import Results, looks_of, ok_seeds

PERCENTILES = (50, 90, 95, 99)
PARTS = ('preprocess', 'views', 'refine')
_WHOLE = ('seeds_to_decide', 'seeds_to_decide_low', 'seeds_to_decide_high')
_DECIMALS = dict(
    interval_level=6,
    p=6,
    checkpoints_p=6,
    checkpoints_p_corrected=6,
    p_equivalence=6,
    false_claim_chance=6,
    checkpoints_false_claim_chance=6,
    p_corrected=6,
    params_m=6,
    gflops=6,
    train_s=2,
    throughput_img_s=3,
    train_peak_mib=1,
    infer_peak_mib=1,
    host_peak_mib=1,
    infer_host_peak_mib=1,
)
_SCORE_BOUNDS = dict(
    dice=(0.0, 100.0),
    mdice=(0.0, 100.0),
    miou=(0.0, 100.0),
    boundary_iou=(0.0, 100.0),
    hd95_px=(0.0, np.inf),
    nsd=(0.0, 100.0),
    assd_px=(0.0, np.inf),
)


def stack_table(results: Results) -> pd.DataFrame:
    """One row per stack in the order of the grid, with the columns ``STACK_COLUMNS``.

    Scores are means over the ok seeds, in percent; ``low`` and ``high`` bound the 95 % interval. Peaks (MiB) are the
    highest over the ok seeds; ``train_s`` is the mean over them of the seconds its training took, also when that
    training served other stacks; latencies (ms) are percentiles over the images of the stack's profile and
    ``throughput_img_s`` is 1000 / their mean. ``dice_spread_of_seeds`` is the Dice of the best seed minus that of the
    worst, percent points. A row whose cells all failed has no numbers. A row with some ok cells has
    theirs; ``n_seeds`` and ``status`` show that.

    ``latency_noise`` is the relative difference below which two latencies count as equal, ``machine_busy`` says why a
    measurement may be off, and ``profile_shared_with`` names the stacks of the same cost. They are empty where a
    profile was measured before they were recorded. ``not_learned_by`` names the signs by which ``seeds_not_learned``
    were told (:mod:`benchmarks.analysis.learning`). ``role`` is ``again`` for an A/A arm, ``control`` for a
    positive control, and empty for all other rows.
    """
    foreground = results.foreground
    unlearned = results.not_learned
    rows = []
    for row in results.grid['rows']:
        seeds = ok_seeds(results, row['stack'])
        rows.append(
            dict(
                stack=row['stack'],
                techniques='+'.join(row['techniques']),
                label=row['label'],
                n_seeds=len(seeds),
                status=stack_status(results, row),
                published_dice=row['published_dice'],
                role=row.get('role', ''),
                seeds_not_learned=sum(cell_name(row['stack'], seed) in unlearned for seed in seeds),
                not_learned_by=_signs([unlearned.get(cell_name(row['stack'], seed), []) for seed in seeds]),
            )
            | _score_columns(results.counts, row['stack'], seeds, foreground)
            | _training_columns([results.records[cell_name(row['stack'], seed)] for seed in seeds])
            | _profile_columns(
                results.profiles.get(row['stack']),
                any_cell=bool(seeds),
                is_open=row['stack'] in open_profiles_of(results.grid),
            )
        )
    table = pd.DataFrame(rows).reindex(columns=list(STACK_COLUMNS))
    integers = ['n_images', 'n_groups', 'hd95_undefined', 'changed_pixels', 'latency_samples', 'seeds_not_learned']
    return table.astype({name: 'Int64' for name in integers})


def comparison_table(results: Results) -> pd.DataFrame:
    """One row per comparison and metric, with the columns ``COMPARISON_COLUMNS``; see ``verdicts.compare``.

    The metrics are ``METRICS``, and that of the question.

    Where a positive control does not show, nothing is equivalent; see :mod:`benchmarks.analysis.control`. In a grid
    with such a control ``harm_shows`` says of its comparisons whether it does, and is empty for others. The columns
    ``chance_…`` are the band of :mod:`benchmarks.analysis.chance`. Where seeds were spent until decided,
    ``interval_level`` is what the intervals leave out. While a run goes on, a verdict may be ``open``
    (:mod:`benchmarks.reports.interim`).
    """
    rows = with_open_verdicts(judged(results), results.grid)
    for metric in metrics_of(results.grid):
        by_chance = ChanceOfPairs(results, Scores(metric, results.counts, results.foreground))
        for row in rows:
            if row['metric'] == metric:
                band = by_chance.band(row)
                row |= dict(chance_low=band.low, chance_high=band.high, chance_from=band.source)
    columns = COMPARISON_COLUMNS if looks_of(results.grid) is None else (*COMPARISON_COLUMNS, 'interval_level')
    columns = (*columns, *FOLD_COLUMNS) if results.grid.get('folds') else columns
    if any(row['design'] == CONTROL_DESIGN for row in rows):
        columns = (*columns, *CONTROL_COLUMNS)
        rows = [row | dict(harm_shows=harm_shows(row) if row['design'] == CONTROL_DESIGN else None) for row in rows]
    return pd.DataFrame(rows, columns=list(columns)).astype(dict.fromkeys(_WHOLE, 'Int64'))


def judged(results: Results, metrics: Sequence[str] | None = None) -> list[dict]:
    """The verdict on each comparison by each metric, in the light of the positive control.

    Args:
        results: The records and counts of the grid.
        metrics: The metrics; None for ``METRICS`` and that of the question. Those of another unit than that of the
            question have no equivalence margin.
    """
    metrics = metrics_of(results.grid) if metrics is None else metrics
    by_metric = [_judged_by(results, name, margin) for name, margin in margins_of(results.grid, metrics).items()]
    return without_blind_equivalence(row for rows in zip(*by_metric) for row in rows)


def metrics_of(grid: Mapping) -> tuple[str, ...]:
    """The metrics of a comparison table."""
    return tuple(dict.fromkeys([*METRICS, metric_asked(grid).name]))


def _judged_by(results: Results, metric: str, margin: float) -> list[dict]:
    """The verdict on each comparison by one metric."""
    grid, looks = results.grid, looks_of(results.grid)
    facts, foreground = results.facts, results.foreground
    questions = grid.get('questions')
    primary = {frozenset(pair) for pair in questions[-1]['primary']} if questions else None
    comparisons, counts = grid['comparisons'], results.counts
    if looks is None:
        return compare(comparisons, counts, facts, grid['seeds'], foreground, margin, primary, (metric,))
    return compare_over_looks(comparisons, counts, facts, looks, foreground, margin, primary, (metric,))


def _signs(of_seeds: Sequence[Sequence[str]]) -> str:
    """The signs of all seeds of a stack that have learned nothing, in one order."""
    return ', '.join(sign for sign in (ONE_CLASS, LOSS) if any(sign in signs for signs in of_seeds))


def stack_status(results: Results, row: Mapping) -> str:
    """``ok`` if all cells of a row are; otherwise the failures, counted: ``failed: timeout (1 of 3)``.

    Cells of a run that goes on, or was interrupted, are counted last: ``open (2 of 3)``.
    """
    seeds, open_seeds = seeds_of(results.grid, row), open_seeds_of(results.grid, row)
    happened = Counter(
        _outcome(results.records.get(cell_name(row['stack'], seed))) for seed in seeds if seed not in open_seeds
    )
    del happened['ok']
    failures = ', '.join(f'{outcome} ({number} of {len(seeds)})' for outcome, number in sorted(happened.items()))
    parts = [f'failed: {failures}'] if failures else []
    parts += [f'{OPEN} ({len(open_seeds)} of {len(seeds)})'] if open_seeds else []
    return '; '.join(parts) or 'ok'


def write_csv(table: pd.DataFrame, path: Path) -> Path:
    """Write a table with a fixed number of decimals per column (4 unless ``_DECIMALS`` says otherwise)."""
    text = table.copy()
    for name in text.columns[[kind.kind == 'f' for kind in text.dtypes]]:
        decimals = _DECIMALS.get(name, 4)
        text[name] = [_fixed(value, decimals) for value in text[name]]
    return write_atomic(path, text.to_csv(index=False, lineterminator='\n').encode('utf-8'))


def _fixed(value: float, decimals: int) -> str:
    # Adding zero turns -0.0, which rounding leaves behind, into 0.0.
    return '' if np.isnan(value) else f'{round(value, decimals) + 0.0:.{decimals}f}'


def _outcome(record: Mapping | None) -> str:
    if record is None:
        return 'not run'
    return f'error in {record["failed_stage"]}' if record['status'] == 'failed' else record['status']


def _score_columns(counts: Counts, stack: str, seeds: Sequence[int], foreground: np.ndarray) -> dict:
    if not seeds:
        return dict.fromkeys(('n_images', 'n_groups', 'hd95_undefined'), pd.NA)
    columns: dict[str, float] = dict(
        n_images=len(counts.images),
        n_groups=counts.n_groups,
        hd95_undefined=sum(int(hd95_undefined(counts.cells[cell_name(stack, s)], foreground)) for s in seeds),
    )
    if len(seeds) > 1:
        columns['dice_spread_of_seeds'] = float(np.ptp(Scores('dice', counts, foreground).of(stack, seeds).full))
    for name, bounds in _SCORE_BOUNDS.items():
        est = stack_estimate(name, counts, stack, seeds, foreground)
        low, high = interval(est, 0.05, bounds)
        columns |= {name: float(est.value), f'{name}_low': float(low), f'{name}_high': float(high)}
    return columns


def _training_columns(records: Sequence[Mapping]) -> dict:
    changed = [record['changed_pixels'] for record in records if record['changed_pixels'] is not None]
    return dict(
        train_peak_mib=_highest(record['train']['peak_mib'] for record in records),
        host_peak_mib=_highest(record['train']['host_peak_mib'] for record in records),
        train_s=float(np.mean([record['train']['seconds'] for record in records])) if records else np.nan,
        changed_pixels=sum(changed) if changed else pd.NA,
    )


def _profile_columns(profile: Mapping | None, *, any_cell: bool, is_open: bool) -> dict:
    # A stack whose cells all failed may share the profile of another: that is no number of this row.
    if profile is None or profile['status'] != 'ok' or not any_cell:
        status = (OPEN if is_open else 'not run') if profile is None else profile['status']
        return dict(profile_status=status, latency_samples=pd.NA)
    machine = profile.get('machine') or {}
    total = np.array(profile['latency_ms']['total'], float)
    columns = dict(
        profile_status='ok',
        latency_noise=float(machine.get('noise', np.nan)),
        machine_busy=machine.get('busy') or '',
        profile_shared_with=' '.join(profile.get('shared_with', [])),
        latency_samples=len(total),
        throughput_img_s=1000 / total.mean(),
        infer_peak_mib=_highest([profile['infer_peak_mib']]),
        infer_host_peak_mib=float(profile['host_peak_mib']),
        params_m=profile['params'] / 1e6,
        gflops=profile['flops'] / 1e9,
    )
    columns |= {f'latency_ms_p{q}': float(np.percentile(total, q)) for q in PERCENTILES}
    return columns | {
        f'latency_ms_{part}_p50': float(np.median(profile['latency_ms'][part] or np.nan)) for part in PARTS
    }


def _highest(values) -> float:
    """Largest value that is not None; NaN without any, as on a device without such a counter."""
    return float(max((value for value in values if value is not None), default=np.nan))
