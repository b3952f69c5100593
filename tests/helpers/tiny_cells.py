"""A run of many tiny cells by the real driver, launcher, workers and store: ``python tiny_cells.py STORE CELLS``.

The stages compute nothing of use, from their keys alone, so that a run takes seconds and needs neither torch nor mmseg.
"""

import hashlib
import random
import sys
import time
import types
from pathlib import Path

from benchmarks.plan.plan import Cell, Plan, Stage
from benchmarks.run import launcher
from benchmarks.run.driver import Driver
from benchmarks.run.launcher import LocalLauncher
from benchmarks.run.state import look_up
from benchmarks.store.store import Store

KINDS = ('train', 'predict', 'refine', 'profile')
LONGEST_S = 0.03


def run(config: dict, folder: Path, parents: dict[str, Path], device: str, bytes_allowed: int | None = None) -> dict:
    """A stage: reads its parents, and leaves a table that follows from them and its config."""
    if 'train' in parents and 'predict' not in parents:  # a prediction without maps would be no input of a refinement
        (folder / 'maps').mkdir()
        (folder / 'maps' / '0.npz').write_bytes(b'a map')
    read = b''.join((path / 'facts.csv').read_bytes() for _, path in sorted(parents.items()))
    for part in range(3):
        time.sleep(random.uniform(0, LONGEST_S) / 3)
        with open(folder / 'facts.csv', 'a') as stream:
            stream.write(hashlib.sha256(read + repr((config, part)).encode()).hexdigest() + '\n')
    return dict(seconds=0.01)


def run_together(configs, folders, parents, device, bytes_allowed=()) -> list[dict]:
    """A pass of several stages."""
    return [run(*each, device) for each in zip(configs, folders, parents)]


def tiny_plan(cells: int) -> Plan:
    """Cells of a training, a prediction and a refinement each, and a profile for every tenth."""
    plan = Plan([], {}, {}, [])
    for number in range(cells):
        parents: tuple[Stage, ...] = ()
        for kind in KINDS if number % 10 == 0 else KINDS[:3]:
            key = hashlib.sha256(f'{kind} {number}'.encode()).hexdigest()[:40]
            reads = parents[:1] if kind == 'profile' else parents
            config = dict(number=number, train_cfg=dict(max_iters=1), test_dataloader=f'images {number % 5}')
            stage = Stage(kind, key, (f't{number}',), 0, '', config, tuple((one.kind, one.key) for one in reads), {})
            plan.stages[key] = stage
            parents = (*parents, stage)
        plan.cells.append(Cell((f't{number}',), 0, {}, tuple((one.kind, one.key) for one in parents[:3])))
    return plan


def replace_stages() -> None:
    """Put the tiny stages in the place of the real ones, in this process and in those that are forked for stages."""
    for kind in KINDS:
        module = types.ModuleType(f'benchmarks.stages.{kind}')
        module.run, module.run_together = run, run_together
        sys.modules[module.__name__] = module


def main() -> None:
    """Run, or go on with a run."""
    store, plan = Store(Path(sys.argv[1])), tiny_plan(int(sys.argv[2]))
    with store.drivers.using(plan.stages):
        store.clear_abandoned()
        found, _ = look_up(store, plan, retry_failed=True)
        driver = Driver(plan, store, LocalLauncher(), found, device='cpu', jobs=4, retry_failed=True)
        print('begins', flush=True)
        state = driver.run(lambda state: None)
    for key, result in state.results.items():
        if not result.ok:
            print(f'{plan.stages[key].kind} {plan.stages[key].label}: {result.reason}', file=sys.stderr)
    print(f'{sum(result.ok for result in state.results.values())} of {len(plan.stages)} ok', flush=True)


launcher.PRELOADED = 'tiny_cells'  # in the place of torch and mmseg
replace_stages()
if __name__ == '__main__':
    main()
