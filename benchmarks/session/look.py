"""A plan that is about to run: what of it is in the store, how long the rest takes, and what runs it."""

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.run.contract import Launcher
from benchmarks.run.driver import Driver
from benchmarks.run.gpu_memory import GpuMemory
from benchmarks.run.map_budget import MapBudget, format_budget
from benchmarks.run.state import State, look_up
from benchmarks.session.disk import map_bytes
from benchmarks.session.experiment import Experiment
from benchmarks.session.place import Place
from benchmarks.session.time_left import TimeLeft
from benchmarks.session.work import extent_in
from benchmarks.store.store import Result, Store

if TYPE_CHECKING:  # it imports fsspec, for nothing where no remote store is named
    from benchmarks.session.remote import Remote


@dataclass(frozen=True)
class Look:
    """A plan, and where it stands before it runs.

    Args:
        experiment: The checked and planned grid.
        found: Results of the store, by key.
        reasons: Why each other stage runs, by key.
        time_left: Estimates how long that takes.
        brought: Keys of stages whose results the remote store has.
    """

    experiment: Experiment
    found: dict[str, Result] = field(repr=False)
    reasons: dict[str, str] = field(repr=False)
    time_left: TimeLeft = field(repr=False)
    brought: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True)
class Ways:
    """How the plans of an invocation run.

    Args:
        store: Where results are kept.
        place: Where stages run.
        retry_failed: Whether stages that failed in an earlier invocation run again.
        max_maps: The bytes of maps that are kept; None for no limit.
        before: The keys of the plan that was last run with the output folder.
        remote: The store that is shared with other hosts; None if there is none.
    """

    store: Store
    place: Place
    retry_failed: bool
    max_maps: int | None
    before: Set[str]
    remote: 'Remote | None' = None

    @property
    def launcher(self) -> Launcher:
        """What starts stages."""
        return self.place.launcher

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return self.place.device

    @property
    def jobs(self) -> int:
        """The most processes at once."""
        return self.place.jobs

    def look(
        self, experiment: Experiment, again: Collection[str] = (), known: Mapping[str, Result] | None = None
    ) -> Look:
        """Look up what of a plan is in the store.

        Args:
            experiment: The checked and planned grid.
            again: Keys of stages that run again although they have a result.
            known: Results of this invocation, which are not asked for again, be they failures.
        """
        plan, store = experiment.plan, self.store
        found, reasons = look_up(
            store, plan, retry_failed=self.retry_failed, again=frozenset(again), before=set(self.before)
        )
        for key, result in (known or {}).items():
            found[key] = result
            reasons.pop(key, None)
        brought = frozenset[str]()
        if self.remote is not None:
            brought = self.remote.among(plan, reasons.keys() - set(again))
            reasons |= dict.fromkeys(brought, f'stored in {self.remote.place.url}')
        cache = experiment.request.settings.cache
        time_left = TimeLeft(plan, store, self.jobs, extent_in(experiment.data), cache)
        return Look(experiment, found, reasons, time_left, brought)

    def budget(self, look: Look, own_file: Path) -> MapBudget | None:
        """The budget of ``--max-maps``, whose consequences are printed; None without that flag."""
        if self.max_maps is None:
            return None
        plan = look.experiment.plan
        most = max(map_bytes(plan, look.experiment.data, plan.stages).values(), default=0)
        budget = MapBudget(self.store, self.max_maps, most, plan.stages.keys(), own_file)
        for line in format_budget(budget, plan, look.reasons, State(plan, look.found).maps_needed()):
            print(line)
        return budget

    def driver(self, look: Look, budget: MapBudget | None, again: Collection[str] = ()) -> Driver:
        """What runs the plan of a look."""
        plan, launcher, shared = look.experiment.plan, self.launcher, None
        if self.remote is not None:
            self.remote.take_up(self.store, plan, look.found)
            launcher = shared = self.remote.launcher(launcher, self.store)
        driver = Driver(
            plan,
            self.store,
            launcher,
            look.found,
            device=self.device,
            jobs=self.jobs,
            retry_failed=self.retry_failed,
            again=frozenset(again),
            budget=budget,
            gpu=GpuMemory(plan, self.store) if self.place.packs_one_gpu else None,
            shares_gpu=self.place.shares_gpu,
            seconds=look.time_left.estimates,
        )
        if shared is not None:
            shared.tell = driver.state.messages.append
        return driver
