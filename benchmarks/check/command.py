"""``run_ablation.py --check [NAME …]``: a verdict on each technique."""

import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.check.baselines import CheckBaseline, make_check_baseline, small_baselines
from benchmarks.check.examine import examine, examine_first_that_fits, prepare
from benchmarks.check.isolated import Crash, Job, run_isolated
from benchmarks.check.real_compiler import NAME, compile_for_real
from benchmarks.check.result import GOOD, NOT_CHECKED, Cost, TechniqueResult
from benchmarks.check.table import make_console, show_details, show_table
from benchmarks.check.toy_data import draw_pictures
from benchmarks.errors import BadInput, did_you_mean

ALL_GOOD, SOME_BROKEN = 0, 1
TIMEOUT_S = 600.0
FIRST_BASELINE = 'unet_small_icbm152'


@dataclass(frozen=True)
class CheckSettings:
    """What a check needs to know.

    Args:
        configs: The folder ``configs/`` of this checkout.
        device: ``cpu`` or ``cuda``.
        jobs: Techniques at once.
        timeout_s: For each technique.
    """

    configs: Path
    device: str = 'cpu'
    jobs: int = 1
    timeout_s: float = TIMEOUT_S


def check(names: list[str], settings: CheckSettings) -> int:
    """Check techniques, and print what was found.

    Args:
        names: Which; none of them means all, and lets the real compiler have its turn, too.
        settings: How.

    Returns:
        0 when all are good, 1 when one is broken.

    Raises:
        BadInput: A name is unknown, or a baseline itself cannot be trained.
    """
    start, console = time.monotonic(), make_console()
    rows = technique_files(settings.configs / 'techniques', names)
    with tempfile.TemporaryDirectory() as folder:
        bench = TechniqueChecker(Path(folder), settings)
        bench.prepare()
        verdicts = []
        for verdict in bench.verdicts(rows, with_real_compiler=not names):
            verdicts.append(verdict)
            console.print(f'{verdict.technique}: {verdict.status}', markup=False)
    order = [row.stem for row in rows]
    verdicts.sort(key=lambda verdict: order.index(verdict.technique) if verdict.technique in order else len(order))
    show_table(console, verdicts, bench.costs)
    show_details(console, verdicts)
    broken = sum(verdict.status not in (GOOD, NOT_CHECKED) for verdict in verdicts)
    console.print(f'{len(verdicts) - broken} of {len(verdicts)} not broken; {time.monotonic() - start:.0f} s')
    return SOME_BROKEN if broken else ALL_GOOD


def technique_files(folder: Path, names: list[str]) -> list[Path]:
    """The files of these techniques, or of all.

    Raises:
        BadInput: A name is unknown; close matches are named.
    """
    known = {path.stem: path for path in sorted(folder.glob('*.py'))}
    for name in names:
        if name not in known:
            raise BadInput(f'--check {name}: there is no {folder.name}/{name}.py{did_you_mean(name, known)}')
    return [known[name] for name in names or known]


class TechniqueChecker:
    """The check baselines, and where techniques are put on them.

    Args:
        folder: An empty folder for all that is made.
        settings: How to check.
        baselines: Names of check baselines to use; none means all.
    """

    def __init__(self, folder: Path, settings: CheckSettings, baselines: tuple[str, ...] = ()) -> None:
        self.folder, self.settings = folder, settings
        draw_pictures(folder / 'pictures')
        paths = small_baselines(settings.configs, FIRST_BASELINE)
        self.baselines: list[CheckBaseline] = [
            make_check_baseline(path, settings.configs, folder / 'pictures', settings.device)
            for path in paths
            if not baselines or path.stem in baselines
        ]
        self.references = {baseline.name: folder / 'references' / baseline.name for baseline in self.baselines}
        self.costs: dict[str, Cost] = {}

    def prepare(self) -> None:
        """Train and test the baselines themselves.

        Raises:
            BadInput: One of them fails.
        """
        jobs = [
            self._job(baseline.name, prepare, baseline, self.references[baseline.name]) for baseline in self.baselines
        ]
        for name, cost in self._run(jobs):
            if isinstance(cost, Crash):
                raise BadInput(
                    f"the check baseline '{name}' itself fails, so nothing can be checked on it: {cost.reason}"
                )
            self.costs[name] = cost

    def verdicts(
        self, rows: list[Path], only: Collection[str] = (), with_real_compiler: bool = False
    ) -> Iterator[TechniqueResult]:
        """Check techniques, several at once; verdicts come as they are found.

        Args:
            rows: The techniques' files.
            only: Names of checks to run; none means all.
            with_real_compiler: See to it that torch's real compiler works here, on the first baseline.
        """
        jobs = [
            self._job(row.stem, examine, row, self.baselines, self.references, self.folder / 'rows' / row.stem, only)
            for row in rows
        ]
        if with_real_compiler:  # it takes longest, so it starts first
            first = self.baselines[0]
            jobs.insert(0, self._job(NAME, compile_for_real, first, self.references[first.name]))
        for name, found in self._run(jobs):
            yield TechniqueResult(name, reason=found.reason) if isinstance(found, Crash) else found

    def first_that_fit(
        self, groups: Mapping[str, list[Path]], only: Collection[str] = ()
    ) -> Iterator[tuple[str, str, TechniqueResult]]:
        """Check one technique of each group on every baseline: the first of the group that fits.

        Args:
            groups: Technique files by the group's name.
            only: Names of checks to run; none means all.

        Yields:
            (group, baseline, verdict), as they are found.
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
        for name, found in self._run(jobs):
            group, baseline = pairs[name]
            yield (
                group,
                baseline.name,
                TechniqueResult(name, reason=found.reason) if isinstance(found, Crash) else found,
            )

    def _job(self, name: str, function: Callable, *arguments: object) -> Job:
        return Job(name, function, arguments, self.folder / f'{name}.log')

    def _run(self, jobs: list[Job]):
        return run_isolated(jobs, self.settings.jobs, self.settings.timeout_s)
