"""A small grid by jobs of submitit and by a Ray cluster of this machine: the counts are those of the local launcher."""

import json
import time

import pytest
from real_ray import FOLDER, real_ray

PATIENCE_S = 1200


def same_counts(grid, reference):
    counts = [each.out / 'records' / 'counts.csv.gz' for each in (grid, reference)]
    assert counts[0].read_bytes() == counts[1].read_bytes()
    assert grid.keys() == reference.keys()


@pytest.fixture
def fresh(complete_runs, tmp_path):
    """A grid that has been run by the local launcher, and the same grid with an empty work dir."""
    _, short = complete_runs
    return short, short._replace(work_dir=tmp_path / 'work')


def test_the_same_command_submits_collects_and_reports(project, fresh):
    pytest.importorskip('submitit', reason="submitit is not installed: pip install 'segmentation-ablation[slurm]'")
    reference, grid = fresh
    flags = ('--launcher', 'slurm', '--slurm', 'cluster=local', 'time=1h')
    said, deadline = [], time.monotonic() + PATIENCE_S
    while True:
        done = project.run(grid, *flags)
        said.append(done.stdout)
        if done.status != 3:
            break
        assert time.monotonic() < deadline and 'Run the same command again' in done.stdout, done.said
        time.sleep(5)
    assert done.status == 0, done.said
    assert '0 of 8 stages are finished; jobs: 2 pending' in said[0]
    assert '2 jobs were submitted now, for 5 stages in all; 3 more stages follow when these have finished' in said[0]
    assert any('report of what is finished: ' in text for text in said[1:-1])
    assert 'report: ' in said[-1] and 'for 0 stages (8 were there before)' in said[-1]
    assert list((grid.work_dir / 'slurm').glob('*.json')) == [], 'nothing is remembered of jobs that are collected'
    same_counts(grid, reference)
    assert 'open' not in json.loads((grid.out / 'grid.json').read_text())


@pytest.fixture
def ray_folder(project, monkeypatch):
    with real_ray() as folder:
        monkeypatch.setitem(project.environment, FOLDER, folder)
        yield folder


def test_a_cluster_of_this_machine(ray_folder, project, fresh):
    reference, grid = fresh
    done = project.run(grid, '--launcher', 'ray')
    assert done.status == 0, done.said
    same_counts(grid, reference)
