"""Which stages go into which job."""

from dataclasses import replace
from pathlib import Path

from tiny_grid import chain, plan_of, stage

from benchmarks.run.slurm.packs import packs
from benchmarks.run.state import State
from benchmarks.store.store import Result


def done(stage, status='ok'):
    return {stage.key: Result(Path(), status, None, {}, {}, stage.label, True)}


def packed(stages, results=None, submitted=(), singly=(), seconds=None, target_s=600, **more):
    """(kinds and names of the stages, alone) of each job."""
    state = State(plan_of(*stages), results or {})
    named = packs(state, submitted, singly, seconds or {}, target_s, **more)
    return [([f'{one.kind[0]} {one.stack[0]}' for one in pack.stages], pack.alone) for pack in named]


def test_a_chain_is_one_job_in_the_order_of_its_stages():
    assert packed([*chain('a'), *chain('b')]) == [(['t a', 'p a', 'r a'], False), (['t b', 'p b', 'r b'], False)]


def test_what_is_done_is_not_submitted_and_what_it_blocks_neither():
    a, b = chain('a'), chain('b')
    assert packed([*a, *b], done(a[0]) | done(b[0], 'failed')) == [(['p a', 'r a'], False)]


def test_what_is_submitted_is_not_submitted_again_and_what_reads_it_waits():
    a = chain('a')
    assert packed(a, submitted={a[0].key, a[1].key}) == []


def test_a_stage_whose_parents_are_in_two_jobs_waits_for_both():
    members = [stage('train', name) for name in 'ab']
    combine = stage('combine', 'c', *members)
    stages = [*members, combine, stage('predict', 'c', combine)]
    assert packed(stages) == [(['t a'], False), (['t b'], False)]
    assert packed(stages, done(members[0])) == [(['t b', 'c c', 'p c'], False)]


def test_a_stage_that_reads_one_of_several_parents_waits_until_one_has_succeeded():
    trains = [stage('train', name) for name in 'ab']
    profile = replace(stage('profile', 'x', *trains), configs=({}, {}))
    assert packed([*trains, profile]) == [(['t a'], False), (['t b'], False)]
    assert packed([*trains, profile], done(trains[1]), submitted={trains[0].key}) == [(['p x'], True)]


def test_a_measurement_has_a_job_of_its_own_after_its_training():
    train = stage('train', 'a')
    stages = [train, stage('profile', 'a', train), stage('predict', 'a', train)]
    assert packed(stages) == [(['t a', 'p a'], False)]
    assert packed(stages, done(train), seconds=dict.fromkeys([one.key for one in stages], 1)) == [
        (['p a'], False),
        (['p a'], True),
    ]


def test_short_chains_share_a_job_and_jobs_are_about_equally_long():
    chains = {name: stage('train', name) for name in 'abcdef'}
    seconds = {chains[name].key: value for name, value in zip('abcdef', (100, 300, 200, 200, 50, 350))}
    jobs = packed(chains.values(), seconds=seconds, target_s=600)
    assert jobs == [(['t f', 't d', 't e'], False), (['t b', 't c', 't a'], False)]
    assert len(packed(chains.values(), seconds=seconds, target_s=1)) == 6
    assert len(packed(chains.values(), seconds=seconds, target_s=1e6)) == 1


def test_stages_of_unknown_length_have_jobs_of_their_own_up_to_the_most_jobs():
    trains = [stage('train', str(number)) for number in range(9)]
    assert len(packed(trains)) == 9
    assert [len(names) for names, _ in packed(trains, most=3)] == [3, 3, 3]


def test_a_stage_can_be_given_a_job_of_its_own():
    trains = [stage('train', name) for name in 'abc']
    seconds = dict.fromkeys([one.key for one in trains], 1)
    assert packed(trains, singly={trains[1].key}, seconds=seconds) == [(['t a', 't c'], False), (['t b'], False)]


def test_every_stage_of_a_large_grid_is_in_one_job():
    stages = [one for number in range(400) for one in chain(str(number))]
    jobs = packed(stages, seconds=dict.fromkeys([one.key for one in stages], 1.0), target_s=60)
    names = [name for names, _ in jobs for name in names]
    assert len(names) == len(set(names)) == 1200 and len(jobs) == 20
