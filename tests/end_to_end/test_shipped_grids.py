"""The grids that ship with the embedded data pass every check that there is before a training."""

import os

import pytest

LONG = pytest.mark.skipif(
    not os.environ.get('THOROUGH'),
    reason='tries 40 trainings, each of which the contract tests try, too; THOROUGH=1 runs it',
)


@pytest.mark.parametrize('name', [pytest.param('each_alone', marks=LONG), 'robustness_small'])
def test_a_dry_run_finds_nothing_wrong(project, driving, tmp_path, name):
    grid = driving.Grid(project.root / 'configs' / 'grids' / f'{name}.py', tmp_path / 'work')
    done = driving.finish(project.start(grid, '--dry-run'))
    assert done.status == 0 and 'not run yet' in done.stdout, done.said
