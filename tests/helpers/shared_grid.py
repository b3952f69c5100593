"""A driver of the stand-in stages with a remote store: ``python shared_grid.py STORE URL CHAINS``."""

import json
import sys
from pathlib import Path

from tiny_grid import grid

from benchmarks.run.driver import Driver
from benchmarks.run.launcher import LocalLauncher
from benchmarks.run.state import look_up
from benchmarks.session.remote import open_remote
from benchmarks.store.store import Store


def main() -> None:
    """Run the grid; print which stages this driver has computed."""
    root, url, chains = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    store, plan, remote = Store(root), grid(chains), open_remote(url, dry_run=False)
    print('begins', flush=True)
    with store.drivers.using(plan.stages):
        store.clear_abandoned()
        found, _ = look_up(store, plan)
        remote.take_up(store, plan, found)
        local = LocalLauncher()
        shared = remote.launcher(local, store)
        submitted, submit = set(), local.submit
        local.submit = lambda *tasks: (submitted.update(task.key for task in tasks), submit(*tasks))
        driver = Driver(plan, store, shared, found, device='cpu', jobs=3)
        shared.tell = lambda line: print(line, file=sys.stderr, flush=True)
        driver.run(lambda state: None)
    print(json.dumps(sorted(submitted)), flush=True)


if __name__ == '__main__':
    main()
