"""Without Ray its tests are skipped, and in CI they fail, if it has a wheel; a process that is left fails a test."""

import subprocess
import sys

import pytest
import real_ray as helper
from real_ray import need_ray, real_ray, users_of


@pytest.fixture
def without_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)  # as if it were not installed


@pytest.mark.parametrize('ci, outcome', [('', pytest.skip.Exception), ('true', pytest.fail.Exception)])
def test_a_missing_ray_is_told_with_the_extra_and_fails_in_ci(without_ray, monkeypatch, ci, outcome):
    monkeypatch.setenv('CI', ci)
    with pytest.raises(outcome, match=r"ray is not installed: pip install -c constraints.txt -e '.\[test\]'"):
        need_ray(dict(python_version='3.12'))


def test_where_ray_has_no_wheel_its_tests_are_skipped_in_ci_too(without_ray, monkeypatch):
    monkeypatch.setenv('CI', 'true')
    with pytest.raises(pytest.skip.Exception, match='has no wheel for this Python: .* where python_version < "3.15"'):
        need_ray(dict(python_version='3.15'))


def test_a_process_that_is_left_is_ended_and_fails_the_test(monkeypatch):
    monkeypatch.setattr(helper, 'need_ray', lambda: None)
    with pytest.raises(AssertionError, match='these processes were left: .*sleep 987'):
        with real_ray(patience_s=0.1) as folder:
            with open(f'{folder}/log', 'w') as log:
                process = subprocess.Popen(['sleep', '987'], stdout=log)
            assert list(users_of(folder)) == [process.pid]
    assert process.wait(timeout=10) == -9


def test_a_process_that_ends_in_time_is_waited_for(monkeypatch):
    monkeypatch.setattr(helper, 'need_ray', lambda: None)
    with real_ray() as folder:
        with open(f'{folder}/log', 'w') as log:
            process = subprocess.Popen(['sleep', '0.5'], stdout=log)
    assert process.wait() == 0
