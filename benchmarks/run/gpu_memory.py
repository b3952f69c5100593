"""Which stages fit beside each other in the memory of one GPU, by what they and their like have needed so far."""

import re
import time
from collections.abc import Collection, Mapping

from benchmarks.plan.plan import Plan, Stage
from benchmarks.stages.progress import GPU
from benchmarks.store.store import Result, Store

# What a process takes beside torch's allocator: the CUDA context, 300 to 500 MiB by GPU and driver, and the kernels of
# cuBLAS and cuDNN, which are loaded when they are first called.
CONTEXT_MIB = 600
# A stage that runs may still grow: after its first steps by a batch of larger images, say, or by fragmentation.
GROWTH = 1.2
# Another stack may need more than those that have been measured.
MARGIN = 1.5
# By then a training's optimiser has its state beside the activations, so that the allocator has what a step needs.
FIRST_STEPS = 5
# What an older report says is free others may have taken since.
FRESH_S = 1.0
WITHOUT_GPU = ('combine',)

Process = tuple[str, ...]  # the keys of the stages that run in it
Family = tuple[str, str]
Peak = tuple[float, int]  # MiB of torch's allocator, and how many stages ran in the process


class GpuMemory:
    """Says whether a process fits beside those that run.

    How much is free, whoever has taken the rest, the running stages say in their progress: they have started CUDA,
    which the driver must not, and see the very device, be it a part of a GPU or one that nvidia-smi numbers otherwise.
    They say, too, how much they hold, and have held at most. So the memory that is not spoken for is ::

        free - Σ over running processes of max(0, need - held)

    What a process needs is the CUDA context and what finished stages of the same stack (other seeds) had at most; where
    none has finished, ``GROWTH`` times the peak so far of those that run; of a new stack ``MARGIN`` times that of any
    stage of its kind, or else of any stage. A pass of more stages than the one that was measured is taken to need as
    many times more. Of a process of which nothing is known nobody knows whether it fits.

    Args:
        plan: Its stages have one baseline, and where two labels differ by the seed alone, the same stack.
        store: Where running stages say how far they are.
    """

    def __init__(self, plan: Plan, store: Store) -> None:
        self.store = store
        self.families = {key: _family(stage) for key, stage in plan.stages.items()}
        self.measured: dict[Family, Peak] = {}

    def learn(self, stage: Stage, result: Result) -> None:
        """Take in what a finished stage has needed, if it says so."""
        peak_mib, family = result.facts.get('peak_reserved_mib'), _family(stage)
        if peak_mib is not None:
            self.measured[family] = max(
                self.measured.get(family, (0.0, 1)), (peak_mib, result.facts.get('stacks_in_pass', 1))
            )

    def fits(self, process: Process, running: Collection[Process], since: Mapping[str, float]) -> bool:
        """Whether a process may start beside those that run; always where none of these uses the GPU.

        Args:
            process: The keys of its stages.
            running: The same of each running process.
            since: When each running stage was started (monotonic clock).
        """
        beside = [one for one in running if self._uses_gpu(one)]
        if not beside or not self._uses_gpu(process):
            return True
        reports = {one: report for one in beside if (report := self._report(one, since))}
        newest = max(reports.values(), key=lambda report: report['at'], default=None)
        if newest is None or time.monotonic() - newest['at'] > FRESH_S:
            return False
        live: dict[Family, list[Peak]] = {}
        for one, report in reports.items():
            for family in self._families(one) if report['settled'] else ():
                live.setdefault(family, []).append((report['peak_reserved_mib'], len(one)))
        need, *needs = (self._need(one, live) for one in (process, *beside))
        if need is None or None in needs:
            return False
        # Of what a process held when it last spoke, `free` of the newest report has been less already.
        held = (reports[one]['reserved_mib'] + CONTEXT_MIB if one in reports else 0.0 for one in beside)
        return need + sum(max(0.0, most - now) for most, now in zip(needs, held)) <= newest['free_mib']

    def _need(self, process: Process, live: Mapping[Family, list[Peak]]) -> float | None:
        known = live | {family: [peak] for family, peak in self.measured.items()}
        families = self._families(process)
        margin = 1.0 if families <= self.measured.keys() else GROWTH
        if not families <= known.keys():
            kinds, margin = {kind for kind, _ in families}, MARGIN
            families = {family for family in known if family[0] in kinds} or known.keys()
        peaks = [peak for family in families for peak in known[family]]
        if not peaks:
            return None
        return CONTEXT_MIB + margin * max(mib * max(1.0, len(process) / number) for mib, number in peaks)

    def _report(self, process: Process, since: Mapping[str, float]) -> dict | None:
        """The last that this process has said, not one that was ended at work on the same keys."""
        said = [
            (progress[GPU], progress)
            for key in process
            if GPU in (progress := self.store.progress(key)) and progress[GPU]['at'] >= since[key]
        ]
        if not said:
            return None
        report, progress = max(said, key=lambda one: one[0]['at'])
        return dict(report, settled=progress['step'] >= min(FIRST_STEPS, progress['total']))

    def _families(self, process: Process) -> set[Family]:
        return {self.families[key] for key in process}

    def _uses_gpu(self, process: Process) -> bool:
        return any(kind not in WITHOUT_GPU for kind, _ in self._families(process))


def _family(stage: Stage) -> Family:
    """The same for all seeds of a stack's stage."""
    return stage.kind, re.sub('__seed[0-9]+', '', stage.label)
