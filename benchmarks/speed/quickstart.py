"""The quickstart's wall time: beside the least possible time, when it is finished, and with one refinement more.

The least possible time is the sum over all trainings of steps × seconds per step / cores, plus the seconds of the
profiles, which run alone. The seconds per step are timed here, with one training at a time on one thread.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.files import ROOT
from benchmarks.record import read_records
from benchmarks.speed.side_by_side import report, summarised
from benchmarks.speed.timed_training import shortened, training_seconds
from benchmarks.stacks.compose import load_config
from benchmarks.store.store import Store

QUICKSTART = ROOT / 'configs' / 'grids' / 'quickstart.py'
NEW_REFINEMENT = 'fill_holes'
WARM_UP, STEPS = 5, 30
RERUNS = 3


def main() -> None:
    """Run the comparison; about ten minutes on two cores."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cold = _run(QUICKSTART, folder)
        again = [_run(QUICKSTART, folder) for _ in range(RERUNS)]
        refined = _run(_with_one_refinement(folder), folder)
        bound, facts = _least_time(folder)
    one, cold_run = [cold] * RERUNS, 'the cold run'
    lines = [
        summarised('cold run', 'least time', 'quickstart', [bound], [cold], reach=1 / 1.2),
        summarised('finished grid run again', cold_run, 'the same command', one, again),
        summarised('one refinement more, with its profile', cold_run, 'a grid with it', [cold], [refined], reach=50),
    ]
    report('quickstart', lines, **facts)


def _run(grid: Path, folder: Path) -> float:
    start = time.perf_counter()
    command = [sys.executable, str(ROOT / 'run_ablation.py'), str(grid), '--work-dir', str(folder / 'work')]
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
        raise SystemExit(f'{grid.name} failed')
    return time.perf_counter() - start


def _with_one_refinement(folder: Path) -> Path:
    """The quickstart, and a refinement on the last of its stacks that refines nothing."""
    grid = load_config(QUICKSTART)
    stack = grid['designs'][0]['techniques'][:-1]
    grid['designs'] = [*grid['designs'], dict(type='explicit', pairs=[([*stack, NEW_REFINEMENT], stack)])]
    grid['baseline'] = str(QUICKSTART.parent / grid['baseline'])
    grid['technique_folders'] = [str(QUICKSTART.parent / name) for name in grid['technique_folders']]
    path = folder / 'one_refinement_more.py'
    path.write_text(''.join(f'{name} = {value!r}\n' for name, value in grid.items()))
    return path


def _least_time(folder: Path) -> tuple[float, dict]:
    """The least possible seconds, and the measurements that they consist of."""
    out, profiles = folder / 'work' / QUICKSTART.stem, Store.in_work_dir(folder / 'work').stored('profile')
    measured = {record['stack'] for record in read_records(out)}
    profiling = sum(result.facts['seconds'] for result in profiles if result.label in measured)
    trainings = {record['keys']['train']: record for record in read_records(out)}
    configs = {record['stack']: out / record['config'] for record in trainings.values()}
    step_s = {stack: _seconds_of_a_step(load_config(path)) for stack, path in configs.items()}
    training = sum(record['train']['iterations'] * step_s[record['stack']] for record in trainings.values())
    return training / len(os.sched_getaffinity(0)) + profiling, dict(seconds_of_a_step=step_s, profiling_s=profiling)


def _seconds_of_a_step(config: dict) -> float:
    """Seconds of a step: the difference of two trainings, so that the time before the first step does not count."""
    short, long = (
        training_seconds([shortened(config, steps)], together=False, as_stages=True)
        for steps in (WARM_UP, WARM_UP + STEPS)
    )
    return (long - short) / STEPS


if __name__ == '__main__':
    main()
