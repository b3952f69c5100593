"""Verdicts as a table, and the causes below it."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from benchmarks.check.result import BROKEN, GOOD, MISFIT, OK, Cost, TechniqueResult

WIDTH = 160
STYLES = {GOOD: 'green', BROKEN: 'bold red'}


def make_console() -> Console:
    """A console that is wide enough for the table where nobody says how wide it is (a file, a pipe)."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH)


def show_table(console: Console, verdicts: Iterable[TechniqueResult], baselines: dict[str, Cost]) -> None:
    """One line per technique: verdict, which baselines it fits, what it costs on the first of them.

    Args:
        console: Where to print.
        verdicts: The verdicts.
        baselines: The cost of each baseline itself.
    """
    table = Table(box=None, pad_edge=False, header_style='bold')
    table.add_column('technique', no_wrap=True)
    table.add_column('verdict', no_wrap=True)
    table.add_column('fits', no_wrap=True)
    for column in ('parameters', 'GFLOPs', 'train MiB', 'train ms', 'infer MiB', 'infer ms', 'checked in'):
        table.add_column(column, justify='right', no_wrap=True)
    for name, cost in baselines.items():
        table.add_row(name, '', '', *_absolute(cost), '', style='dim')
    for verdict in verdicts:
        table.add_row(
            verdict.technique,
            verdict.status,
            _fits(verdict, baselines),
            *_relative(verdict, baselines),
            f'{verdict.seconds:.1f} s',
            style=STYLES.get(verdict.status),
        )
    console.print(table)


def show_details(console: Console, verdicts: Iterable[TechniqueResult]) -> None:
    """Each failed check with its cause, each baseline that a technique does not fit with the reason, each note."""
    for verdict in verdicts:
        lines = [verdict.reason] if verdict.reason else []
        lines += [f'{one.check} on {one.baseline}: {one.note}' for one in verdict.broken]
        lines += [
            f'does not fit {one.baseline}: {one.note}'
            for one in verdict.findings
            if one.status == MISFIT and one not in verdict.broken
        ]
        notes = [
            f'{one.check}: {one.note}'
            for one in verdict.findings
            if one.note and one.status == OK and one.baseline == verdict.fits[0]
        ]
        lines += ['; '.join(notes)] if notes else []
        console.print(f'\n{verdict.technique}: {verdict.status}', style=STYLES.get(verdict.status), markup=False)
        for line in lines:
            console.print(f'  {line}', markup=False, soft_wrap=True)


def _fits(verdict: TechniqueResult, baselines: dict[str, Cost]) -> str:
    if not verdict.findings:
        return ''
    return f'{sum(name in baselines for name in verdict.fits)} of {len(baselines)}'


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


def _relative(verdict: TechniqueResult, baselines: dict[str, Cost]) -> list[str]:
    """Parameters as a difference, the rest as a multiple of the baseline's."""
    name = next((name for name in verdict.fits if verdict.costs.get(name) and name in baselines), None)
    if name is None:
        return [''] * 6
    own, base = verdict.costs[name], baselines[name]
    added = None if own.parameters is None else own.parameters - base.parameters
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
