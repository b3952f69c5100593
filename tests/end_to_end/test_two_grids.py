"""Two grids on one work dir: a measurement gets its turn, and says for whom it waits."""

import json

import pytest

HOLDS = """
import time
from pathlib import Path

from mmengine.hooks import Hook
from mmseg.registry import HOOKS

HERE = Path(__file__).parent


@HOOKS.register_module()
class Holds(Hook):
    def __init__(self, name):
        self.name = name

    def before_train(self, runner):
        (HERE / f'{self.name}_{runner.seed}_trains').touch()
        while not (HERE / f'{self.name}_{runner.seed}_may_end').exists():
            time.sleep(0.05)
"""


@pytest.fixture
def grids(write_grid, tmp_path):
    """One seed, and three seeds, of the baseline; each training holds the machine until it may end."""

    def grid(name, seeds):
        grid = write_grid(tmp_path, (), name=name, seeds=seeds)
        grid.path.write_text(grid.path.read_text().replace('baseline.py', f'{name}_baseline.py'))
        (tmp_path / f'{name}_baseline.py').write_text(
            "_base_ = 'baseline.py'\ncustom_imports = dict(imports=['holds'])\n"
            f"custom_hooks = [dict(type='Holds', name={name!r})]\n"
        )
        return grid

    (tmp_path / 'holds.py').write_text(HOLDS)
    return grid('measures', 1), grid('trains', 3)


def test_a_measurement_waits_for_the_stages_that_run_and_comes_before_later_ones(project, driving, grids, tmp_path):
    measuring, training = grids

    def running(name):
        return {path.name.split('_')[1] for path in tmp_path.glob(f'{name}_*_trains')}

    def let_end(name, seed):
        (tmp_path / f'{name}_{seed}_may_end').touch()

    def waits_for():
        notes = [json.loads(path.read_text()) for path in training.store.glob('running/*/progress.json')]
        texts = [note.get('waits_for', '') for note in notes]
        return next((text for text in texts if f'process {drivers[1].pid}' in text), None)

    def measured():
        return list(measuring.store.glob('profile/*/manifest.json'))

    drivers = [project.start_warm(measuring, '--jobs', '1'), project.start_warm(training, '--jobs', '2')]
    try:
        driving.wait_until(lambda: running('measures') and len(running('trains')) == 2)
        first, second = sorted(running('trains'))
        let_end('measures', 0)
        text = driving.wait_until(waits_for)
        for seed in (first, second):
            assert f'train baseline__seed{seed} (' in text, text
        assert text.count(f'process {drivers[1].pid}') == 2, text
        let_end('trains', first)  # the third training asks for the machine now, while the second still has it
        driving.wait_until(lambda: len(list(training.store.glob('train/*/manifest.json'))) == 2)
        let_end('trains', second)
        driving.wait_until(measured)
        assert running('trains') == {first, second}
        (third,) = {'0', '1', '2'} - {first, second}
        let_end('trains', third)
        for driver in drivers:
            done = driving.finish(driver)
            assert done.status == 0, done.said
    finally:
        for driver in drivers:
            driver.kill()
