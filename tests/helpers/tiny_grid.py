"""A grid of stand-in stages (``tests/tiny_stages``): chains of a training, its predictions and their refinements."""

import sys
from pathlib import Path

from benchmarks.files import digest
from benchmarks.plan.plan import Plan, Stage
from benchmarks.run.driver import Driver
from benchmarks.run.launcher import LocalLauncher
from benchmarks.store.store import Store

STAND_INS = Path(__file__).resolve().parents[1] / 'tiny_stages'


def stage(kind, name, *parents, **config):
    """A stage whose config has its name."""
    ingredients = {'config name': f'{kind} {name}', **{f'parent {one.kind} {one.key}': one.key for one in parents}}
    config = dict(name=name, test_dataloader='images', inference=dict(name=name)) | config
    steps = tuple((one.kind, one.key) for one in parents)
    return Stage(kind, digest(ingredients)[:40], (name,), 0, '', config, steps, ingredients)


def chain(name, **config):
    """A training, a prediction and a refinement."""
    train = stage('train', name, **config)
    predict = stage('predict', name, train)
    return [train, predict, stage('refine', name, predict, train)]


def plan_of(*stages):
    """A plan without cells."""
    return Plan([], {one.key: one for one in stages}, {}, [])


def results(root):
    """What each stage has stored, by kind and key: its status, its files' content, and no time."""
    store, found = Store(root), {}
    for kind in ('train', 'predict', 'refine', 'profile'):
        for result in store.stored(kind):
            file = result.folder / 'facts.csv'
            found[kind, result.folder.name] = result.status, file.read_text() if file.exists() else None
    return found


def grid(chains):
    """Chains of which one fails; every tenth training has a measurement, too."""
    stages = []
    for number in range(chains):
        stages += chain(str(number), **(dict(fails='as it should') if number == 1 else {}))
        if number % 10 == 0:
            stages.append(stage('profile', str(number), stages[-3]))
    return plan_of(*stages)


def run_here(root, chains):
    """Run the grid with the local launcher."""
    store, plan = Store(root), grid(chains)
    with store.drivers.using(plan.stages):
        Driver(plan, store, LocalLauncher(), {}, device='cpu', jobs=3).run(lambda state: None)


if __name__ == '__main__':
    run_here(Path(sys.argv[1]), int(sys.argv[2]))
