"""Prepares check baselines, and runs the checks of techniques on them, several at once."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.check.baselines import CheckBaseline, make_check_baseline, small_baselines
from benchmarks.check.examine import examine, examine_first_that_fits, prepare, try_to_build
from benchmarks.check.isolated import Crash, Job, run_isolated
from benchmarks.check.kept import drop_outdated, kept_cost, kept_pictures, place_of
from benchmarks.check.real_compiler import NAME, compile_for_real
from benchmarks.check.result import Cost, TechniqueResult
from benchmarks.errors import BadInput
from benchmarks.stacks.technique import technique_files
from benchmarks.store.sole_user import sole_user

TIMEOUT_S = 600.0
FIRST_BASELINE = 'unet_small_icbm152'
# The check that takes as long as all others together, and the checks that it needs: it runs beside the others where
# cores are idle.
APART, NEEDED_APART = ('captures',), ('builds', 'trains')


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
        everywhere: Whether techniques that are given by name are trained and tested on every baseline, too.
    """

    configs: Path
    device: str = 'cpu'
    jobs: int = 1
    timeout_s: float = TIMEOUT_S
    cache: Path | None = None
    own: tuple[Path, ...] = ()
    everywhere: bool = False


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
        self.known = technique_files(settings.configs / 'techniques', *settings.own)
        self.costs: dict[str, Cost] = {}
        self.kept = 0  # of the prepared baselines, how many an earlier check has prepared

    def prepare(self, told: Callable[[int, int], object] | None = None, *, with_breaks: bool = True) -> None:
        """Train and test the baselines themselves, unless an earlier check has done it.

        Args:
            told: Called with the number of baselines that are ready, and the number of all.
            with_breaks: Whether the graph breaks of the first baseline are counted, which the check ``captures`` needs.

        Raises:
            BadInput: A baseline fails.
        """
        # Most techniques fit the first baseline, and only the first that fits needs its graph breaks.
        for _ in self._prepare(self.baselines, self.baselines[0].name if with_breaks else '', [], told):
            raise AssertionError('nothing else runs beside the baselines')

    def build_and_prepare(self, rows: list[Path]) -> dict[str, TechniqueResult]:
        """Build techniques on every baseline, and prepare those baselines that are the first which a technique fits.

        The first baseline of all is prepared meanwhile, because most techniques fit it.

        Args:
            rows: The techniques' files.

        Returns:
            By the technique's name, what building it has shown.

        Raises:
            BadInput: A baseline fails.
        """
        jobs = [
            self._job(row.stem, try_to_build, row, self.baselines, self.folder / 'built' / row.stem, self.known)
            for row in rows
        ]
        built = dict(self._prepare(self.baselines[:1], '', jobs))
        built = {name: self._result(name, result) for name, result in built.items()}
        first = {result.fits[0] for result in built.values() if result.fits}
        for _ in self._prepare([each for each in self.baselines[1:] if each.name in first], '', []):
            raise AssertionError('nothing else runs beside the baselines')
        return built

    def _prepare(
        self,
        baselines: Sequence[CheckBaseline],
        breaks_on: str,
        others: list[Job],
        told: Callable[[int, int], object] | None = None,
    ) -> Iterator[tuple[str, Any]]:
        """Prepare baselines, and run other jobs beside that.

        Args:
            baselines: The baselines to prepare.
            breaks_on: The baseline whose graph breaks are counted now; elsewhere the check that needs them counts them.
            others: The other jobs.
            told: See :meth:`prepare`.

        Yields:
            (name, result) of each other job.
        """
        with sole_user(self.home):
            known = {baseline.name: kept_cost(self.references[baseline.name]) for baseline in baselines}
            ready = {name: cost for name, cost in known.items() if cost is not None}
            self.kept += len(ready)
            jobs = []
            for baseline in baselines:
                if baseline.name not in ready:
                    place = self.references[baseline.name]
                    drop_outdated(place)
                    jobs.append(self._job(baseline.name, prepare, baseline, place, baseline.name == breaks_on))
            names = {job.name for job in jobs}
            for name, result in self._run(jobs + others):
                if name not in names:
                    yield name, result
                    continue
                if isinstance(result, Crash):
                    raise BadInput(
                        f"the check baseline '{name}' itself fails, so nothing can be checked on it: {result.reason}"
                    )
                ready[name] = result
                if told:
                    told(len(ready), len(baselines))
        self.costs |= {baseline.name: ready[baseline.name] for baseline in baselines}

    def results(
        self, rows: list[Path], only: Collection[str] = (), with_real_compiler: bool = False
    ) -> Iterator[TechniqueResult]:
        """Check techniques, several at once; each result is yielded as soon as it is there.

        Args:
            rows: The techniques' files.
            only: Names of checks to run; none means all checks.
            with_real_compiler: Also try torch's real compiler, on the first baseline.
        """
        jobs = [self._checks(row.stem, row, self.baselines, only) for row in rows]
        if with_real_compiler:  # it takes longest, so it starts first
            first = self.baselines[0]
            jobs.insert(0, self._job(NAME, compile_for_real, first, self.references[first.name]))
        for name, result in self._run(jobs):
            yield self._result(name, result)

    def results_where_built(self, rows: list[Path], built: Mapping[str, TechniqueResult]) -> Iterator[TechniqueResult]:
        """Check techniques on the first baseline that each fits; each result is yielded as soon as it is there.

        Args:
            rows: The techniques' files.
            built: From :meth:`build_and_prepare`.

        Yields:
            The findings on that baseline, and on the others whether the technique can be built there.
        """
        jobs: list[Job] = []
        owners: dict[str, str] = {}
        apart = APART if self.settings.jobs > len(rows) else ()
        for row in rows:
            fits = built[row.stem].fits
            if not fits:
                yield built[row.stem]
                continue
            on = [baseline for baseline in self.baselines if baseline.name == fits[0]]
            of_row = [self._checks(row.stem, row, on, (), apart)]
            if apart:  # it takes longest, so it starts first
                of_row.insert(0, self._checks(f'{row.stem}, {APART[0]}', row, on, (*NEEDED_APART, *APART), ()))
            owners |= {job.name: row.stem for job in of_row}
            jobs += of_row
        parts: dict[str, list[TechniqueResult]] = {name: [] for name in owners.values()}
        for job_name, result in self._run(jobs):
            name = owners[job_name]
            parts[name].append(self._result(name, result))
            if len(parts[name]) == 1 + len(apart):
                yield built[name].with_checks(*sorted(parts[name], key=lambda part: -len(part.findings)))

    def _checks(
        self,
        name: str,
        row: Path,
        baselines: Sequence[CheckBaseline],
        only: Collection[str],
        left_out: Collection[str] = (),
    ) -> Job:
        folder = self.folder / 'rows' / name
        return self._job(name, examine, row, baselines, self.references, folder, only, self.known, left_out)

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
            yield (group, baseline.name, self._result(name, result))

    @staticmethod
    def _result(name: str, result: TechniqueResult | Crash) -> TechniqueResult:
        return TechniqueResult(name, reason=result.reason) if isinstance(result, Crash) else result

    def _job(self, name: str, function: Callable, *arguments: object) -> Job:
        return Job(name, function, arguments, self.folder / f'{name}.log')

    def _run(self, jobs: list[Job]) -> Iterator[tuple[str, Any]]:
        return run_isolated(jobs, self.settings.jobs, self.settings.timeout_s)
