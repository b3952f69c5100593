"""Does torch's real compiler work on this machine? Tried once, on the baseline, because it takes minutes."""

import math
import time
from pathlib import Path

from benchmarks.check.baselines import SEED, CheckBaseline
from benchmarks.check.result import BROKEN, OK, Finding, TechniqueResult

# Generated code adds in another order.
TOLERANCE = 1e-2
NAME = 'the real compiler'


def compile_for_real(baseline: CheckBaseline, reference: Path) -> TechniqueResult:
    """Compile a training pass of the baseline with ``inductor``, and compare it with the eager one."""
    # Imported here, in the task's process, because the command names this function without torch.
    from mmengine.registry import DefaultScope

    from benchmarks.check.global_state import global_state_restored
    from benchmarks.check.graph_capture import REAL_BACKEND, capture
    from benchmarks.check.technique_run import TechniqueRun

    start = time.perf_counter()
    run = TechniqueRun.load(baseline, reference)
    with global_state_restored(), DefaultScope.overwrite_default_scope('mmseg'):
        network = run.network()
        result = capture(network, run.batch(network), SEED, REAL_BACKEND)
    eager, compiled = result.eager, result.captured
    same = all(
        math.isclose(a, b, rel_tol=TOLERANCE)
        for a, b in ((eager.loss, compiled.loss), (eager.gradients, compiled.gradients))
    )
    note = (
        f'loss {compiled.loss:.6g} (eager {eager.loss:.6g}), gradients {compiled.gradients:.6g} ({eager.gradients:.6g})'
    )
    seconds = time.perf_counter() - start
    return TechniqueResult(NAME, [Finding('compiles', baseline.name, OK if same else BROKEN, note)], seconds=seconds)
