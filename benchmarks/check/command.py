"""``run_ablation.py --check [NAME …]``: is each technique good or broken?"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.check.baselines import CheckBaseline, make_check_baseline, small_baselines
from benchmarks.check.examine import examine, examine_first_that_fits, prepare
from benchmarks.check.isolated import Crash, Job, run_isolated
from benchmarks.check.kept import drop_outdated, kept_cost, kept_pictures, place_of
from benchmarks.check.real_compiler import NAME, compile_for_real
from benchmarks.check.result import GOOD, NOT_CHECKED, Cost, TechniqueResult
from benchmarks.check.table import make_console, show_details, show_table
from benchmarks.errors import BadInput
from benchmarks.files import sole_user
from benchmarks.session.doing import doing
from benchmarks.stacks.technique import chosen, technique_files

ALL_GOOD, SOME_BROKEN = 0, 1
TIMEOUT_S = 600.0
LONGEST_SHOWN = 3
FIRST_BASELINE = 'unet_small_icbm152'


@dataclass(frozen=True)
class CheckSettings:
    """How to check.

    Args:
        configs: The folder ``configs/``.
        device: ``cpu`` or ``cuda``.
        jobs: How many techniques are checked at once.
        timeout_s: Time limit of each technique.
        cache: The folder that keeps the baselines' own runs for later checks; None keeps nothing.
        own: The folders of techniques of one's own that a grid names.
    """

    configs: Path
    device: str = 'cpu'
    jobs: int = 1
    timeout_s: float = TIMEOUT_S
    cache: Path | None = None
    own: tuple[Path, ...] = ()


def check(names: list[str], settings: CheckSettings) -> int:
    """Check techniques, and print the results.

    Args:
        names: Names of techniques; none means all techniques and the real compiler.
        settings: How to check.

    Returns:
        0 if no technique is broken, otherwise 1.

    Raises:
        BadInput: A name is unknown, or a check baseline itself cannot be trained.
    """
    start, console = time.monotonic(), make_console()
    rows = files_to_check(settings.configs / 'techniques', names, settings.own)
    with tempfile.TemporaryDirectory() as folder:
        with doing('preparing the baselines to check on', 'baselines') as what:
            checker = TechniqueChecker(Path(folder), settings)
            kept = checker.prepare(told=what.advance)
        prepared, results = time.monotonic(), []
        total = len(rows) + (not names)
        with doing(f'checking {names[0] if len(names) == 1 else "techniques"}', 'techniques') as what:
            for result in checker.results(rows, with_real_compiler=not names):
                results.append(result)
                what.advance(len(results), total if total > 1 else 0)
                console.print(f'{result.technique}: {result.status}', markup=False)
    order = [row.stem for row in rows]
    results.sort(key=lambda result: order.index(result.technique) if result.technique in order else len(order))
    show_table(console, results, checker.costs)
    show_details(console, results)
    broken = sum(result.status not in (GOOD, NOT_CHECKED) for result in results)
    end = time.monotonic()
    console.print(
        f'{len(results) - broken} of {len(results)} not broken; {end - start:.0f} s: {prepared - start:.0f} s to '
        f'prepare the {len(checker.baselines)} baselines ({kept} kept from an earlier check), {end - prepared:.0f} s '
        f'for the checks{_longest(results)}'
    )
    return SOME_BROKEN if broken else ALL_GOOD


def _longest(results: Sequence[TechniqueResult]) -> str:
    """The checks that took longest over all techniques and baselines, for the end of the last line."""
    took: dict[str, float] = defaultdict(float)
    for result in results:
        for name, seconds in result.took.items():
            took[name] += seconds
    longest = sorted(took, key=lambda name: -took[name])[:LONGEST_SHOWN]
    slowest = [f'{name} {took[name]:.0f} s' for name in longest if took[name] >= 1]
    return f' (longest: {", ".join(slowest)})' if slowest else ''


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


class TechniqueChecker:
    """The check baselines, and the checks of techniques on them.

    Args:
        folder: An empty folder for all files.
        settings: How to check.
        baselines: Names of check baselines; none means all.
    """

    def __init__(self, folder: Path, settings: CheckSettings, baselines: tuple[str, ...] = ()) -> None:
        self.folder, self.settings = folder, settings
        self.home = settings.cache / 'check' if settings.cache else folder / 'kept'
        pictures = kept_pictures(self.home)
        paths = small_baselines(settings.configs, FIRST_BASELINE)
        self.baselines: list[CheckBaseline] = [
            make_check_baseline(path, settings.configs, pictures, settings.device)
            for path in paths
            if not baselines or path.stem in baselines
        ]
        self.references = {baseline.name: place_of(baseline, self.home) for baseline in self.baselines}
        self.costs: dict[str, Cost] = {}

    def prepare(self, told: Callable[[int, int], object] | None = None) -> int:
        """Train and test the baselines themselves, unless an earlier check has done it.

        Args:
            told: Called with the number of baselines that are ready, and the number of all.

        Returns:
            How many baselines an earlier check has prepared.

        Raises:
            BadInput: A baseline fails.
        """
        with sole_user(self.home):
            known = {name: kept_cost(place) for name, place in self.references.items()}
            ready = {name: cost for name, cost in known.items() if cost is not None}
            jobs = []
            for number, baseline in enumerate(self.baselines):
                if baseline.name not in ready:
                    place = self.references[baseline.name]
                    drop_outdated(place)
                    # Most techniques fit the first baseline, and only the first that fits needs the capture.
                    jobs.append(self._job(baseline.name, prepare, baseline, place, number == 0))
            kept = len(ready)
            for name, cost in self._run(jobs):
                if isinstance(cost, Crash):
                    raise BadInput(
                        f"the check baseline '{name}' itself fails, so nothing can be checked on it: {cost.reason}"
                    )
                ready[name] = cost
                if told:
                    told(len(ready), len(self.baselines))
        self.costs = {baseline.name: ready[baseline.name] for baseline in self.baselines}
        return kept

    def results(
        self, rows: list[Path], only: Collection[str] = (), with_real_compiler: bool = False
    ) -> Iterator[TechniqueResult]:
        """Check techniques, several at once; each result is yielded as soon as it is there.

        Args:
            rows: The techniques' files.
            only: Names of checks to run; none means all checks.
            with_real_compiler: Also try torch's real compiler, on the first baseline.
        """
        jobs = [
            self._job(row.stem, examine, row, self.baselines, self.references, self.folder / 'rows' / row.stem, only)
            for row in rows
        ]
        if with_real_compiler:  # it takes longest, so it starts first
            first = self.baselines[0]
            jobs.insert(0, self._job(NAME, compile_for_real, first, self.references[first.name]))
        for name, result in self._run(jobs):
            yield TechniqueResult(name, reason=result.reason) if isinstance(result, Crash) else result

    def first_that_fit(
        self, groups: Mapping[str, list[Path]], only: Collection[str] = ()
    ) -> Iterator[tuple[str, str, TechniqueResult]]:
        """On every baseline, check one technique of each group: the first one that fits.

        Args:
            groups: The techniques' files, by the name of their group.
            only: Names of checks to run; none means all checks.

        Yields:
            (group, baseline, result), each as soon as it is there.
        """
        pairs = {f'{group} on {baseline.name}': (group, baseline) for group in groups for baseline in self.baselines}
        jobs = [
            self._job(
                name,
                examine_first_that_fits,
                groups[group],
                baseline,
                self.references[baseline.name],
                self.folder / 'groups' / name,
                only,
            )
            for name, (group, baseline) in pairs.items()
        ]
        for name, result in self._run(jobs):
            group, baseline = pairs[name]
            yield (
                group,
                baseline.name,
                TechniqueResult(name, reason=result.reason) if isinstance(result, Crash) else result,
            )

    def _job(self, name: str, function: Callable, *arguments: object) -> Job:
        return Job(name, function, arguments, self.folder / f'{name}.log')

    def _run(self, jobs: list[Job]) -> Iterator[tuple[str, Any]]:
        return run_isolated(jobs, self.settings.jobs, self.settings.timeout_s)
