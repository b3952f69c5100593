"""Which ends of stages are no results."""

import pytest

from benchmarks.run.contract import DAMAGED_PARENT, ELSEWHERE, FAILED_ON_SHARED_GPU, LOST_LEASE, OUT_OF_MEMORY, TIMEOUT
from benchmarks.run.retries import Retries, Retry


@pytest.mark.parametrize('complaint', [None, TIMEOUT, 'the process ended with exit status 1'])
def test_a_good_end_and_a_failure_of_a_stage_of_its_own_are_results(complaint):
    assert Retries().retry('a', ('a',), complaint) is None


def test_a_batch_that_ends_well_is_a_result_of_each_of_its_stages():
    assert Retries().retry('a', ('a', 'b'), None) is None


@pytest.mark.parametrize('complaint', [TIMEOUT, FAILED_ON_SHARED_GPU, 'the process ended with exit status 4'])
def test_the_stages_of_a_failed_batch_run_apart(complaint):
    retries = Retries()
    assert [retries.retry(key, ('a', 'b'), complaint) for key in 'ab'] == [Retry.UNBATCHED] * 2
    assert retries.unbatched == {'a', 'b'} and retries.failed_beside_others == set()
    assert retries.retry('a', ('a',), TIMEOUT) is None


@pytest.mark.parametrize(
    'complaint, first', [(DAMAGED_PARENT, Retry.AFTER_ITS_PARENTS), (FAILED_ON_SHARED_GPU, Retry.ALONE)]
)
def test_a_reason_counts_once_per_stage(complaint, first):
    retries = Retries()
    assert [retries.retry('a', ('a',), complaint) for _ in range(3)] == [first, None, None]
    assert retries.retry('b', ('b',), complaint) is first


KILLED = f'{OUT_OF_MEMORY}: it had 9 MiB'


def test_want_of_memory_beside_others_is_no_result_until_the_stage_has_run_alone():
    retries = Retries()
    retries.know({('a',), ('b', 'c')})
    assert [retries.retry('a', ('a',), KILLED) for _ in range(2)] == [Retry.ALONE, None]
    assert [retries.retry(key, ('b', 'c'), KILLED) for key in 'bc'] == [Retry.UNBATCHED] * 2
    retries.know({('b',)})
    assert retries.retry('b', ('b',), KILLED) is None
    retries.know({('c',), ('d',)})
    retries.know({('c',)})
    assert retries.retry('c', ('c',), KILLED) is Retry.ALONE, 'what ran beside it has ended before it'


def test_want_of_memory_of_a_stage_that_ran_alone_is_its_result():
    retries = Retries()
    retries.know({('a',)})
    assert retries.retry('a', ('a',), KILLED) is None


def test_a_stage_that_another_driver_computes_is_tried_again_as_often_as_it_takes():
    retries = Retries()
    assert {retries.retry('a', keys, ELSEWHERE) for keys in [('a',), ('a', 'b')] * 3} == {Retry.LATER}
    assert retries.unbatched == set()


def test_a_batch_whose_parents_were_damaged_is_a_batch_the_next_time():
    retries = Retries()
    assert retries.retry('a', ('a', 'b'), DAMAGED_PARENT) is Retry.AFTER_ITS_PARENTS
    assert retries.unbatched == set()
    assert retries.retry('a', ('a', 'b'), DAMAGED_PARENT) is Retry.UNBATCHED


@pytest.mark.parametrize('process', [('a',), ('a', 'b')])
def test_a_stage_that_another_host_has_taken_over_is_looked_up_there_as_often_as_that_happens(process):
    retries = Retries()
    assert [retries.retry('a', process, LOST_LEASE) for _ in range(3)] == [Retry.AFTER_ANOTHER_HOST] * 3
    assert retries.unbatched == set()
