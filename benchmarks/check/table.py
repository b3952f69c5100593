"""Prints the results of checks as a table, with the causes below it."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from benchmarks.check.result import BROKEN, GOOD, MISFIT, OK, Cost, TechniqueResult

WIDTH = 160
STYLES = {GOOD: 'green', BROKEN: 'bold red'}


def make_console() -> Console:
    """A console; in a file or a pipe, which have no width, it is wide enough for the table."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH)


def show_table(console: Console, results: Iterable[TechniqueResult], baselines: dict[str, Cost]) -> None:
    """Print one line per technique: verdict, how many baselines it fits, its cost on the first of them.

    Args:
        console: Prints the table.
        results: The results, one per technique.
        baselines: The cost of each baseline itself that was trained.
    """
    table = Table(box=None, pad_edge=False, header_style='bold')
    table.add_column('technique', no_wrap=True)
    table.add_column('verdict', no_wrap=True)
    table.add_column('fits', no_wrap=True)
    for column in ('parameters', 'GFLOPs', 'train MiB', 'train ms', 'infer MiB', 'infer ms', 'checked in'):
        table.add_column(column, justify='right', no_wrap=True)
    for name, cost in baselines.items():
        table.add_row(name, '', '', *_absolute(cost), '', style='dim')
    for result in results:
        table.add_row(
            result.technique,
            result.status,
            _fits(result),
            *_relative(result, baselines),
            f'{result.seconds:.1f} s',
            style=STYLES.get(result.status),
        )
    console.print(table)


def show_details(console: Console, results: Iterable[TechniqueResult]) -> None:
    """Print each failed check with its cause, each baseline that a technique does not fit, and each note."""
    for result in results:
        lines = [result.reason] if result.reason else []
        lines += [f'{finding.check} on {finding.baseline}: {finding.note}' for finding in result.broken]
        lines += [
            f'does not fit {finding.baseline}: {finding.note}'
            for finding in result.findings
            if finding.status == MISFIT and finding not in result.broken
        ]
        notes = [
            f'{finding.check}: {finding.note}'
            for finding in result.findings
            if finding.note and finding.status == OK and finding.baseline == result.fits[0]
        ]
        lines += ['; '.join(notes)] if notes else []
        console.print(f'\n{result.technique}: {result.status}', style=STYLES.get(result.status), markup=False)
        for line in lines:
            console.print(f'  {line}', markup=False, soft_wrap=True)


def _fits(result: TechniqueResult) -> str:
    tried = {finding.baseline for finding in result.findings}
    return f'{len(result.fits)} of {len(tried)}' if tried else ''


def _absolute(cost: Cost | None) -> list[str]:
    cost = cost or Cost()
    return [
        _number(cost.parameters, '{:,}'),
        _number(cost.flops and cost.flops / 1e9, '{:.3f}'),
        _number(cost.train_mib, '{:.1f}'),
        _number(cost.train_ms, '{:.0f}'),
        _number(cost.infer_mib, '{:.1f}'),
        _number(cost.infer_ms, '{:.1f}'),
    ]


def _relative(result: TechniqueResult, baselines: dict[str, Cost]) -> list[str]:
    """Parameters as a difference from the baseline's, the other costs as multiples of the baseline's."""
    name = next((name for name in result.fits if result.costs.get(name) and name in baselines), None)
    if name is None:
        return [''] * 6
    own, base = result.costs[name], baselines[name]
    added = None if own.parameters is None or base.parameters is None else own.parameters - base.parameters
    pairs = (
        (own.flops, base.flops),
        (own.train_mib, base.train_mib),
        (own.train_ms, base.train_ms),
        (own.infer_mib, base.infer_mib),
        (own.infer_ms, base.infer_ms),
    )
    return [
        _number(added, '{:+,}'),
        *(_number(mine / other if mine and other else None, '×{:.2f}') for mine, other in pairs),
    ]


def _number(value: float | None, form: str) -> str:
    return '–' if value is None else form.format(value)
