"""What may make the rows of a report mean something else than they say."""

from collections.abc import Iterator, Mapping

import pandas as pd

from benchmarks.analysis.cost_of_gains import NOTABLE, cost
from benchmarks.analysis.instability import NEARLY_ALL, lost_classes, nearly_out_of_memory, odd_losses
from benchmarks.analysis.metrics import METRIC_OF
from benchmarks.record import AGAIN_DESIGN, BASELINE, cell_name, seeds_of
from benchmarks.reports.chance_text import is_inside
from benchmarks.reports.phrases import comparison_of, interval_text, one_line, signed, unit_of
from benchmarks.reports.results import Results, ok_seeds
from benchmarks.reports.training_cautions import training_cautions


def cautions(results: Results, stacks: pd.DataFrame, dice: pd.DataFrame) -> str:
    """The section of cautions, one item for each; empty if there is nothing to say.

    Args:
        results: The records, profiles and counts of the grid.
        stacks: The stack table.
        dice: The comparisons by the metric of the question.
    """
    found = [*results.grid.get('lints', []), *_luck_of_baseline(results, dice), *_seeds(results)]
    found += training_cautions(results)
    found += [*_memory(results), *_controls(results, dice), *_costs(results, dice), *_too_slow(results, stacks)]
    items = [f'- {text[:1].upper()}{one_line(text)[1:]}.' for text in found]
    return '\n'.join(['## Before you believe a row', '', *items]) if items else ''


def _luck_of_baseline(results: Results, dice: pd.DataFrame) -> Iterator[str]:
    """That the baseline's seeds are better or worse than others, and the gains and losses that chance makes as well."""
    arms = dice[(dice['design'] == AGAIN_DESIGN) & (dice['verdict'] != 'not learned')]
    for _, arm in arms[(arms['low'] > 0) | (arms['high'] < 0)].iterrows():
        is_better = (arm['delta'] < 0) != METRIC_OF[arm['metric']].less_is_better
        again = _label(results, arm['stack'])
        yield (
            f'the seeds of “baseline” happen to be {"better" if is_better else "worse"} than the other seeds of the '
            f'same stack: {again} differs from it by {_difference(arm)}. Every row with a training of its own shares '
            f'that when it is compared with the baseline, and looks {"worse" if is_better else "better"} than it is, '
            'by about half of that difference. Give the baseline more seeds (`baseline_seeds` of the grid), and '
            f'compare such a row with {again}, too'
        )
    claims = dice[dice['verdict'].isin(['gain', 'loss']) & (dice['design'] != AGAIN_DESIGN)]
    for _, claim in claims[claims['reference'] == BASELINE].drop_duplicates('stack').iterrows():
        if is_inside(claim):
            chance = interval_text(claim['chance_low'], claim['chance_high'], sign=True)
            yield (
                f'the {claim["verdict"]} of {_label(results, claim["stack"])} against “baseline” '
                f'({_difference(claim)}) is no larger than the baseline differs from itself when it is trained again: '
                f'a technique that does nothing would stand at {chance} {unit_of(claim)} with {claim["n_seeds"]} seeds'
            )


def _seeds(results: Results) -> Iterator[str]:
    """Seeds that went otherwise than the others of their row."""
    seeds = {row['stack']: ok_seeds(results, row['stack']) for row in results.grid['rows']}
    weights = results.weights
    for one in lost_classes(results.counts, weights, seeds):
        yield (
            f'seed {one.seed} of {_label(results, one.stack)} has not learned the class '
            f'“{results.grid["classes"][one.label]}” (IoU {one.iou:.1f}), another seed has (IoU {one.best:.1f}): '
            'the mean of the row lies between two kinds of network. More seeds show how often that happens'
        )
    for odd in odd_losses(results.records, weights, seeds):
        yield (
            f'seed {odd.seed} of {_label(results, odd.stack)} ended at a loss of {odd.loss:.3g}, the others at '
            f'{odd.usual:.3g}: that training was unstable. Look at its log for spikes; a lower learning rate, a '
            'warm-up or clipped gradients may help'
        )
    for row in results.grid['rows']:
        planned = seeds_of(results.grid, row)
        stopped = [seed for seed in planned if _diverged(results, row['stack'], seed)]
        if stopped and seeds[row['stack']]:
            yield (
                f'{_label(results, row["stack"])} diverged in {len(stopped)} of {len(planned)} seeds: '
                'its scores are those of the seeds that survived'
            )


def _diverged(results: Results, stack: str, seed: int) -> bool:
    return results.records.get(cell_name(stack, seed), {}).get('status') == 'diverged'


def _memory(results: Results) -> Iterator[str]:
    memory_gib = results.grid['environment'].get('memory_gib')
    peaks = nearly_out_of_memory(results.records, memory_gib)
    if peaks:
        cell = max(peaks, key=lambda name: peaks[name])
        yield (
            f'{len(peaks)} training{"s" * (len(peaks) > 1)} took more than {100 * NEARLY_ALL:.0f} % of the '
            f'{memory_gib:g} GiB of the machine ({cell}: {peaks[cell]:.1f} GiB): beside another process they would fail'
        )


def _controls(results: Results, dice: pd.DataFrame) -> Iterator[str]:
    """Rows that gain by training longer alone."""
    for stack, reference in results.grid.get('controls', []):
        row = comparison_of(dice, stack, reference)
        steps = cost(stack, reference, results.records.values(), results.profiles).steps
        if row is not None and row['verdict'] == 'gain' and steps > 1:
            yield (
                f'{_label(results, reference)} is under-trained: {_label(results, stack)} only trains {steps:.2g} '
                f'times as long, and gains {_difference(row)}. Rows that learn at different speeds may be ranked '
                'otherwise once all are trained to the end'
            )


def _costs(results: Results, dice: pd.DataFrame) -> Iterator[str]:
    """Gains that cost more, and what the control says of them."""
    gains = dice[(dice['verdict'] == 'gain') & ~dice['design'].str.contains('@')].drop_duplicates(
        ['stack', 'reference']
    )
    controls = [tuple(pair) for pair in results.grid.get('controls', [])]
    records: dict[str, list[Mapping]] = {}
    for record in results.records.values():
        records.setdefault(record['stack'], []).append(record)
    for stack, reference in zip(gains['stack'], gains['reference']):
        of_pair = [record for name in (stack, reference) for record in records.get(name, [])]
        ratios = cost(stack, reference, of_pair, results.profiles)
        if max(ratios.training, ratios.operations) < NOTABLE or (stack, reference) in controls:
            continue
        parts = [f'trains {ratios.training:.2g} times as long'] * (ratios.training >= NOTABLE)
        parts += [f'needs {ratios.operations:.2g} times the operations of an inference'] * (
            ratios.operations >= NOTABLE
        )
        text = f'{_label(results, stack)} gains on {_label(results, reference)}, and {" and ".join(parts)}'
        yield text + (_control_says(results, dice, reference) if ratios.training >= NOTABLE else '')


def _control_says(results: Results, dice: pd.DataFrame, reference: str) -> str:
    """What more training alone gives to a reference."""
    for control, of in results.grid.get('controls', []):
        row = comparison_of(dice, control, of) if of == reference else None
        steps = cost(control, of, results.records.values(), results.profiles).steps
        if row is not None and steps > 1:
            return f'; {steps:.2g} times the steps alone give {_difference(row)} ({row["verdict"]})'
    return '; no row of the grid shows what as much training gives without it'


def _too_slow(results: Results, stacks: pd.DataFrame) -> Iterator[str]:
    """The rows whose inference takes longer than the grid's budget for it."""
    budget = results.grid.get('latency_budget_ms')
    if budget is None:
        return
    slow = stacks[stacks['latency_ms_p95'] > budget]
    if not slow.empty:
        rows = ', '.join(f'“{label}” {ms:.3g} ms' for label, ms in zip(slow['label'], slow['latency_ms_p95']))
        yield f'too slow for the budget of {budget:g} ms an image, by the 95th percentile: {rows}'


def _difference(row: pd.Series) -> str:
    return f'{signed(row["delta"])} {unit_of(row)} {interval_text(row["low"], row["high"], sign=True)}'


def _label(results: Results, stack: str) -> str:
    return next(f'“{row["label"]}”' for row in results.grid['rows'] if row['stack'] == stack)
