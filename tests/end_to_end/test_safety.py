"""What runs must not do: ask the network, keep what is secret in the environment, write outside of their folders."""

import gzip


def content_of(path):
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == '.gz' else data


def test_a_run_asks_nothing_of_the_network(finished):
    log = (finished.path.parents[1] / 'network.txt').read_text().splitlines()
    assert log and set(log) == {'watched'}


def test_a_run_keeps_nothing_of_the_environments_variables(finished, driving):
    files = [path for path in finished.work_dir.rglob('*') if path.is_file()]
    assert len(files) > 50
    assert [path for path in files if driving.SECRET.encode() in content_of(path)] == []


def test_a_run_writes_into_its_work_dir_alone(finished):
    """The grid's folder holds what the fixture has put there, and the work dir."""
    beside = {path.name for path in finished.path.parent.iterdir()}
    assert beside == {'full.py', 'baseline.py', 'benchmarks', 'mmseg', 'work'}
    assert {path.name for path in finished.work_dir.iterdir()} <= {'store', 'cache', 'data', 'folds', 'full'}
