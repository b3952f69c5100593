"""A whole grid, against mmsegmentation's own tools by hand: ``tools/train.py`` and ``tools/test.py`` for each stack.

The grid has the designs cumulative, leave-one-out and each-alone over the quickstart's techniques, with one seed and
equal training steps. By hand, stacks run one after the other, and each may use all cores. The grid also measures
latencies and memory, which the work by hand does not. Designs share stacks. Somebody who fills one table per design
runs the shared stacks again: the second line adds their seconds, as measured for the first line.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mmseg

from benchmarks.plan.designs import lay_out
from benchmarks.record import cell_name, stack_name
from benchmarks.speed.side_by_side import report, summarised
from benchmarks.stacks.compose import load_config

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(mmseg.__file__).parent / '.mim' / 'tools'
DESIGNS = ('cumulative', 'leave_one_out', 'each_alone')
ONE_THREAD = "'num_threads': 1"


def main() -> None:
    """Run the comparison; about half an hour on two cores."""
    quickstart = ROOT / 'configs' / 'grids' / 'quickstart.py'
    techniques = load_config(quickstart)['designs'][0]['techniques']
    designs = [dict(type=name, techniques=techniques) for name in DESIGNS]
    with tempfile.TemporaryDirectory() as folder:
        grid = Path(folder) / 'three_designs.py'
        baseline = quickstart.parent / load_config(quickstart)['baseline']
        grid.write_text(
            f'title = "three designs"\nbaseline = {str(baseline)!r}\nseeds = 1\ndesigns = {designs}\n'
            'positive_control = False\n'
        )
        ours = _seconds([sys.executable, str(ROOT / 'run_ablation.py'), str(grid), '--work-dir', f'{folder}/work'])
        one_by_one = {stack_name(stack): _by_hand(Path(folder), stack_name(stack)) for stack in lay_out(designs).stacks}
    repeated = [one_by_one[stack_name(stack)] for design in designs for stack in lay_out([design]).stacks]
    reference, name = "mmseg's tools by hand", 'one grid'
    lines = [
        summarised(f'{len(one_by_one)} distinct stacks', reference, name, [sum(one_by_one.values())], [ours]),
        summarised(f'{len(repeated)} rows of three tables', reference, name, [sum(repeated)], [ours], reach=3.0),
    ]
    report('by_hand', lines, seconds_by_hand=one_by_one)


def _by_hand(folder: Path, stack: str) -> float:
    """Seconds of training and testing the config that the grid has dumped for a stack, with all cores."""
    dumped = (folder / 'work' / 'three_designs' / 'configs' / f'{cell_name(stack, 0)}.py').read_text()
    if ONE_THREAD not in dumped:
        raise SystemExit(f'the dumped config of {stack} does not say {ONE_THREAD}: by hand it would not use all cores')
    config = folder / 'by_hand' / f'{len(list(folder.glob("by_hand/*.py")))}.py'
    config.parent.mkdir(exist_ok=True)
    config.write_text(dumped.replace(ONE_THREAD, f"'num_threads': {len(os.sched_getaffinity(0))}"))
    own = config.with_suffix('')
    seconds = _seconds([sys.executable, str(TOOLS / 'train.py'), str(config), '--work-dir', str(own)])
    checkpoint = (own / 'last_checkpoint').read_text().strip()
    return seconds + _seconds([sys.executable, str(TOOLS / 'test.py'), str(config), checkpoint, '--work-dir', str(own)])


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, env={**os.environ, 'PYTHONPATH': str(ROOT)}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f'{" ".join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}')
    return time.perf_counter() - start


if __name__ == '__main__':
    main()
