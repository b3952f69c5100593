"""Decides which stages fit beside each other in the memory of one GPU, by the peaks of such stages so far."""

import time
from collections.abc import Collection, Mapping

from benchmarks.kinds import BY_NAME
from benchmarks.plan.plan import Plan, Stage
from benchmarks.run.schedule import Process
from benchmarks.stacks.technique import Stack
from benchmarks.stages.progress import GPU
from benchmarks.store.store import Result, Store

# The memory of a process beside torch's allocator: the CUDA context, 300 to 500 MiB by GPU and driver, and the kernels
# of cuBLAS and cuDNN, which are loaded at their first call.
CONTEXT_MIB = 600
# A running stage may still grow: after its first steps by a batch of larger images, say, or by fragmentation.
GROWTH = 1.2
# A stack without any measurement may need more than the measured ones.
MARGIN = 1.5
# By then a training's optimiser has its state beside the activations, so that the allocator holds all of a step.
FIRST_STEPS = 5
# An older report of free memory is not trusted: other programs may have taken it since.
FRESH_S = 1.0

Family = tuple[str, Stack, str]  # kind, stack and role: all seeds of a stack's stage need the same memory
Peak = tuple[float, int]  # MiB of torch's allocator, and the number of stages in the process


class GpuMemory:
    """Knows whether a process fits beside the running ones.

    Free memory is read from ``progress.json`` of the running stages, because the driver must not initialise CUDA. The
    stages see the very device, be it a part of a GPU or one that nvidia-smi numbers otherwise, and memory that other
    programs take counts. Each stage also reports how much it holds, and the most that it has held. The memory that no
    running process may still claim is ::

        free - Σ over running processes of max(0, need - held)

    The need of a process is the CUDA context, and the peak of finished stages of the same kind, stack and role. If none
    has finished, it is ``GROWTH`` times the peak so far of the running ones; for a stack without any measurement it is
    ``MARGIN`` times the peak of its kind, or else of all kinds. If a process has more stages than the measured one, its
    need grows in proportion. A process without any measurement never starts beside another one.

    Args:
        plan: The plan; all its stages have one baseline.
        store: Where running stages report their progress.
    """

    def __init__(self, plan: Plan, store: Store) -> None:
        self.store = store
        self.families = {key: _family(stage) for key, stage in plan.stages.items()}
        self.measured: dict[Family, Peak] = {}

    def learn(self, stage: Stage, result: Result) -> None:
        """Remember the peak of a finished stage, if its facts have one."""
        peak_mib, family = result.facts.get('peak_reserved_mib'), _family(stage)
        if peak_mib is not None:
            peak = peak_mib, result.facts.get('stacks_in_pass', 1)
            self.measured[family] = max(self.measured.get(family, (0.0, 1)), peak)

    def fits(self, process: Process, running: Collection[Process], since: Mapping[str, float]) -> bool:
        """Whether a process may start beside the running ones; always if none of these uses the GPU.

        Args:
            process: The keys of its stages.
            running: The same of each running process.
            since: The start of each running stage (monotonic clock); reports from before it are ignored.
        """
        beside = [other for other in running if self._uses_gpu(other)]
        if not beside or not self._uses_gpu(process):
            return True
        reports = {other: report for other in beside if (report := self._report(other, since))}
        newest = max(reports.values(), key=lambda report: report['at'], default=None)
        if newest is None or time.monotonic() - newest['at'] > FRESH_S:
            return False
        live: dict[Family, list[Peak]] = {}
        for other, report in reports.items():
            for family in self._families(other) if report['settled'] else ():
                live.setdefault(family, []).append((report['peak_reserved_mib'], len(other)))
        need = self._need(process, live)
        if need is None:
            return False
        claimed = 0.0
        for other in beside:
            most = self._need(other, live)
            if most is None:
                return False
            # `free` of the newest report is already less by the memory that the other held at its last report.
            held = reports[other]['reserved_mib'] + CONTEXT_MIB if other in reports else 0.0
            claimed += max(0.0, most - held)
        return need + claimed <= newest['free_mib']

    def _need(self, process: Process, live: Mapping[Family, list[Peak]]) -> float | None:
        """MiB that a process may take; None without any measurement."""
        known: dict[Family, list[Peak]] = {**live, **{family: [peak] for family, peak in self.measured.items()}}
        families = self._families(process)
        margin = 1.0 if families <= self.measured.keys() else GROWTH
        if not families <= known.keys():
            kinds, margin = {family[0] for family in families}, MARGIN
            families = {family for family in known if family[0] in kinds} or set(known)
        peaks = [peak for family in families for peak in known[family]]
        if not peaks:
            return None
        return CONTEXT_MIB + margin * max(mib * max(1.0, len(process) / number) for mib, number in peaks)

    def _report(self, process: Process, since: Mapping[str, float]) -> dict | None:
        """The last report of this process; not that of an ended process at work on the same keys."""
        reports = [
            (progress[GPU], progress)
            for key in process
            if GPU in (progress := self.store.progress(key, here=True)) and progress[GPU]['at'] >= since[key]
        ]
        if not reports:
            return None
        report, progress = max(reports, key=lambda pair: pair[0]['at'])
        return dict(report, settled=progress['step'] >= min(FIRST_STEPS, progress['total']))

    def _families(self, process: Process) -> set[Family]:
        return {self.families[key] for key in process}

    def _uses_gpu(self, process: Process) -> bool:
        return any(BY_NAME[family[0]].uses_gpu for family in self._families(process))


def _family(stage: Stage) -> Family:
    return stage.kind, stage.stack, stage.role
