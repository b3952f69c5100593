"""``run_ablation.py --check [NAME …]``: is each technique good or broken?

Nothing heavy is imported here: torch and mmseg are imported once, by the server that the checks are forked from.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.check.checker import CheckSettings, TechniqueChecker
from benchmarks.check.durations import Durations
from benchmarks.check.isolated import warm_up
from benchmarks.check.result import GOOD, NOT_CHECKED, TechniqueResult
from benchmarks.check.table import make_console, show_details, show_table
from benchmarks.session.doing import doing
from benchmarks.stacks.technique import chosen, technique_files

ALL_GOOD, SOME_BROKEN = 0, 1
EVERYWHERE = '--on-all-baselines'


def check(names: list[str], settings: CheckSettings) -> int:
    """Check techniques, and print the results.

    All techniques are checked on every check baseline. Techniques that are given by name are built on every baseline,
    and trained and tested on the first one that they fit, unless the settings say everywhere.

    Args:
        names: Names of techniques; none means all techniques and the real compiler.
        settings: How to check.

    Returns:
        0 if no technique is broken, otherwise 1.

    Raises:
        BadInput: A name is unknown, or a check baseline itself cannot be trained.
    """
    durations, console, results = Durations(), make_console(), list[TechniqueResult]()
    rows = files_to_check(settings.configs / 'techniques', names, settings.own)
    quick = bool(names) and not settings.everywhere
    with tempfile.TemporaryDirectory() as folder:
        checker = TechniqueChecker(Path(folder), settings)
        for result in _results(checker, rows, durations, quick=quick, with_real_compiler=not names):
            results.append(result)
            console.print(f'{result.technique}: {result.status}', markup=False)
    order = [row.stem for row in rows]
    results.sort(key=lambda result: order.index(result.technique) if result.technique in order else len(order))
    show_table(console, results, checker.costs)
    show_details(console, results)
    broken = sum(result.status not in (GOOD, NOT_CHECKED) for result in results)
    console.print(
        f'\n{len(results) - broken} of {len(results)} not broken; {durations.text(results)}. '
        f'Baselines that were needed: {len(checker.costs)}, of them kept from an earlier check: {checker.kept}.'
    )
    if quick:
        console.print(
            f'Each technique was trained and tested on the first baseline that it fits, and only built on the others; '
            f'{EVERYWHERE} trains and tests on all {len(checker.baselines)}.'
        )
    return SOME_BROKEN if broken else ALL_GOOD


def _results(
    checker: TechniqueChecker, rows: list[Path], durations: Durations, *, quick: bool, with_real_compiler: bool
) -> Iterator[TechniqueResult]:
    """Each result as soon as it is there; meanwhile the display says what is done."""
    with durations.of('to import torch and mmseg'), doing('importing torch and mmseg'):
        warm_up()
    with durations.of('to prepare baselines'), doing('preparing the baselines to check on', 'baselines') as what:
        built = checker.build_and_prepare(rows) if quick else {}
        if not quick:
            checker.prepare(told=what.advance)
    names = rows[0].stem if len(rows) == 1 else 'techniques'
    with durations.of('for the checks'), doing(f'checking {names}', 'techniques') as what:
        results = checker.results_where_built(rows, built) if quick else checker.results(rows, (), with_real_compiler)
        for number, result in enumerate(results, 1):
            what.advance(number, len(rows) + with_real_compiler if len(rows) > 1 else 0)
            yield result


def files_to_check(folder: Path, names: Sequence[str], own: Sequence[Path] = ()) -> list[Path]:
    """The files of the techniques of these names; of all techniques if there is no name.

    Args:
        folder: The folder of the techniques that ship.
        names: Names of techniques.
        own: Further folders of techniques.

    Raises:
        BadInput: A name is unknown (close matches are given), or two folders have a technique of one name.
    """
    known = technique_files(folder, *own)
    return list(chosen(known, names, '--check', folder.name).values())
