"""A real driver with tiny stages: ``python driver_on_a_host.py STORE COMPUTED CHAINS SECONDS JOBS``.

The environment has the host's name (``HOST``) and the length of a lease (``LEASE_S``). Each stage leaves an empty file
in COMPUTED, whose name has its kind, its name and the host's, and takes SECONDS, which are no part of its key. It ends
no sooner than a stage of each of the hosts in ``MEETS`` (none by default) has begun.
"""

import json
import os
import sys
import time
import types
import uuid
from pathlib import Path

from tiny_grid import plan_of, stage

from benchmarks.run import launcher
from benchmarks.run.driver import Driver
from benchmarks.run.launcher import LocalLauncher
from benchmarks.run.state import look_up
from benchmarks.store import heartbeat, observer
from benchmarks.store.store import Store

KINDS = ('train', 'predict', 'refine')
PATIENCE_S = 120
MEETS = set(os.environ.get('MEETS', '').split())
HOST, LEASE_S, BEATS = os.environ['HOST'], float(os.environ['LEASE_S']), 16  # heartbeats in a lease


def stage_module(kind: str) -> types.ModuleType:
    """A stand-in for ``benchmarks/stages/<kind>.py``."""
    module = types.ModuleType(f'benchmarks.stages.{kind}')

    def run(
        config: dict, folder: Path, parents: dict[str, Path], device: str, bytes_allowed: int | None = None
    ) -> dict:
        Path(config['computed'], f'{kind} {config["name"]} {HOST} {uuid.uuid4().hex}').touch()
        await_others(Path(config['computed']))
        time.sleep(config['seconds'])
        read = [parents[role].joinpath('facts.csv').read_text() for role in sorted(parents)]
        (folder / 'facts.csv').write_text(f'{kind} {config["name"]}({", ".join(read)})')
        (folder / 'host.txt').write_text(HOST)
        (folder / 'maps').mkdir()
        return dict(seconds=0.01)

    def run_together(configs, folders, parents, device, bytes_allowed=()):
        return [run(*each, device) for each in zip(configs, folders, parents, strict=True)]

    module.run, module.run_together = run, run_together
    return module


def await_others(computed: Path) -> None:
    """Wait until each host that is to be met has begun a stage."""
    deadline = time.monotonic() + PATIENCE_S
    while missing := MEETS - {path.name.split(' ')[2] for path in computed.iterdir()}:
        if time.monotonic() > deadline:
            raise TimeoutError(f'no stage of {missing} has begun in {PATIENCE_S} s')
        time.sleep(0.05)


def main() -> None:
    """Run the grid at a line of the input, and say so; at the next, print what the driver has told, and end."""
    store, computed, chains, seconds = Store(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    jobs, stages = int(sys.argv[5]), []
    for number in range(chains):
        above = []
        for kind in KINDS:
            above.append(stage(kind, str(number), *reversed(above), computed=computed, seconds=seconds))
        stages += above
    plan = plan_of(*stages)
    with store.drivers.using(plan.stages):
        print('begins', flush=True)
        sys.stdin.readline()
        store.clear_abandoned()
        found, _ = look_up(store, plan)
        state = Driver(plan, store, LocalLauncher(), found, device='cpu', jobs=jobs).run(lambda state: None)
        print('has run', flush=True)
        sys.stdin.readline()
    print(json.dumps(dict(statuses=[one.status for one in state.results.values()], told=state.messages)), flush=True)


launcher.PRELOADED = 'driver_on_a_host'  # in the place of torch and mmseg, so that stages have all of this, too
observer.LEASE_S, heartbeat.BEAT_S = LEASE_S, LEASE_S / BEATS
sys.modules |= {f'benchmarks.stages.{kind}': stage_module(kind) for kind in KINDS}
if __name__ == '__main__':
    main()
