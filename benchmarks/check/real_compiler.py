"""Does torch's real compiler work on this machine? Asked once, of the baseline: it takes minutes."""

import math
import time
from pathlib import Path

from mmengine.registry import DefaultScope

from benchmarks.check.baselines import SEED, Arena
from benchmarks.check.global_state import fresh_process
from benchmarks.check.graph_capture import REAL_BACKEND, capture
from benchmarks.check.result import BROKEN, OK, Finding, Verdict
from benchmarks.check.technique_run import Subject

# Generated code adds in another order.
TOLERANCE = 1e-2
NAME = 'the real compiler'


def compile_for_real(arena: Arena, reference: Path) -> Verdict:
    """Compile a training pass of the baseline with ``inductor``, and compare it with the eager one."""
    start = time.perf_counter()
    subject = Subject.kept(arena, reference)
    with fresh_process(), DefaultScope.overwrite_default_scope('mmseg'):
        network = subject.network()
        found = capture(network, subject.batch(network), SEED, REAL_BACKEND)
    eager, compiled = found.eager, found.captured
    same = all(
        math.isclose(a, b, rel_tol=TOLERANCE)
        for a, b in ((eager.loss, compiled.loss), (eager.gradients, compiled.gradients))
    )
    note = (
        f'loss {compiled.loss:.6g} (eager {eager.loss:.6g}), gradients {compiled.gradients:.6g} ({eager.gradients:.6g})'
    )
    seconds = time.perf_counter() - start
    return Verdict(NAME, [Finding('compiles', arena.name, OK if same else BROKEN, note)], seconds=seconds)
