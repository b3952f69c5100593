"""What is said of a run in jobs that nobody waits for."""

from collections import Counter
from pathlib import Path

from tiny_grid import chain, plan_of

from benchmarks.run.slurm.detached import Tally
from benchmarks.run.state import State
from benchmarks.session.detached import progress_lines
from benchmarks.store.store import Result


def lines(done, **tally):
    plan = plan_of(*chain('a'), *chain('b'))
    results = {key: Result(Path(), 'ok', None, {}, {}, '', True) for key in list(plan.stages)[:done]}
    return progress_lines(Tally(**tally), State(plan, results))


def test_it_says_how_far_it_is_why_stages_run_again_and_what_to_do():
    tally = dict(states=Counter(RUNNING=1, PENDING=2), stages=3, submitted=2, again=Counter(preempted=2, limit=1))
    assert lines(2, **tally) == [
        '2 of 6 stages are finished; jobs: 2 pending, 1 running',
        '2 stages were pre-empted: submitted again',
        '1 stages were ended by the time limit of a shared job: submitted again',
        '2 jobs were submitted now, for 3 stages in all; 1 more stages follow when these have finished. Run the same '
        'command again to collect them and to go on',
    ]


def test_at_the_end_nothing_is_left_to_do():
    assert lines(6) == ['6 of 6 stages are finished; jobs: none']
