"""What a job does with its part of a plan, and what it says of its end. The stages are stand-ins in this process."""

import os
import signal
import sys
import types
from dataclasses import replace

import pytest
from tiny_grid import chain, plan_of, stage

from benchmarks.run.launcher import LocalLauncher
from benchmarks.run.slurm import job as job_module
from benchmarks.run.slurm.book import Book, Note
from benchmarks.run.slurm.job import Job, NodeLauncher, ToldToEnd, run_job
from benchmarks.stages.together import run_together
from benchmarks.stages.worker import run_task
from benchmarks.store.store import Store


class InThisProcess:
    """Runs what real stage processes run, when it is polled."""

    def __init__(self, timeout_s):
        self.timeout_s, self.waiting = timeout_s, []

    def submit(self, *tasks):
        self.waiting.append(tasks)

    def poll(self):
        ended = {}
        for tasks in self.waiting:
            try:
                run_task(tasks[0]) if len(tasks) == 1 else run_together(tasks)
                status = 0
            except SystemExit as exited:
                status = exited.code
            ended |= dict.fromkeys([task.key for task in tasks], LocalLauncher._why(status))
        self.waiting = []
        return ended

    def cancel_all(self):
        self.waiting = []


@pytest.fixture
def ran(monkeypatch):
    """Names of the stages that ran; a stage named in ``signals`` sends that signal to this process."""
    names, signals = [], {}

    def run(config, folder, parents, device, bytes_allowed=None):
        names.append(config['name'])
        if config['name'] in signals:
            os.kill(os.getpid(), signals[config['name']])
        if config.get('fails'):
            raise ValueError(config['fails'])
        (folder / 'maps').mkdir()
        return dict(seconds=1.0)

    for kind in ('train', 'predict', 'refine'):
        module = types.ModuleType(f'benchmarks.stages.{kind}')
        module.run = module.run_together = run
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr('benchmarks.stages.worker.ignore_interrupts', lambda: None)
    monkeypatch.setattr('benchmarks.run.driver.POLL_S', 0)
    monkeypatch.setattr(job_module, 'NodeLauncher', InThisProcess)
    monkeypatch.setattr(sys, 'path', list(sys.path))
    names.append(signals)
    return names


@pytest.fixture
def made(tmp_path, ran):
    """``made(*stages)``: a job with these stages, its store and its book."""

    def make(*stages):
        store, book = Store(tmp_path / 'store'), Book(tmp_path / 'slurm')
        folder = str(book.folder / 'x')
        (book.folder / 'x').mkdir(exist_ok=True)
        return Job(plan_of(*stages), str(store.root), folder, 'cpu', 1, 100.0, cwd=os.getcwd()), store, book

    return make


def kinds(store):
    return sorted(path.parent.parent.name for path in store.root.glob('*/*/manifest.json'))


def test_a_job_computes_its_part_and_says_that_it_is_done(made, ran):
    job, store, book = made(*chain('a'))
    assert run_job(job) == 'done' and book.note('x') == Note({}, 'done')
    assert kinds(store) == ['predict', 'refine', 'train'] and ran[1:] == ['a', 'a', 'a']
    assert run_job(job) == 'done' and len(ran) == 4, 'a job that the queue begins again repeats nothing'


def test_a_stage_that_fails_has_a_result_and_the_job_goes_on(made, ran):
    failing, good = chain('a', fails='as it should'), chain('b')
    job, store, _ = made(*failing, *good)
    assert run_job(job) == 'done'
    assert store.get('train', failing[0].key).reason == 'ValueError: as it should'
    assert kinds(store) == ['predict', 'refine', 'train', 'train']


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_a_job_that_is_told_to_end_stores_no_failure_and_says_at_what_it_was(made, ran, number):
    before, (train, *rest) = signal.getsignal(number), chain('a')
    predict = replace(rest[0], config=dict(rest[0].config, name='told'))
    ran[0]['told'] = number
    job, store, book = made(train, predict)
    assert run_job(job) == 'preempted' and kinds(store) == ['train']
    note = book.note('x')
    assert (note.ended, list(note.at_work)) == ('preempted', [predict.key])
    assert signal.getsignal(number) == before


def test_a_signal_near_the_time_limit_announces_it(made, ran):
    ran[0]['a'] = signal.SIGUSR2
    job, _, book = made(*chain('a'))
    assert run_job(replace(job, limit_s=0.001)) == 'limit' and book.note('x').ended == 'limit'


@pytest.mark.parametrize(
    'number, after_s, limit_s, ended',
    [
        (signal.SIGUSR2, 3550, 3600, 'limit'),
        (signal.SIGUSR2, 3470, 3600, 'limit'),  # Slurm warns up to a minute earlier than it is asked to
        (signal.SIGUSR2, 60, 3600, 'preempted'),  # a site may send the warning before a pre-emption, too
        (signal.SIGUSR2, 13000, 14400, 'preempted'),  # though nine tenths of the limit are gone
        (signal.SIGUSR2, 14300, 14400, 'limit'),
        (signal.SIGTERM, 3530, 3600, 'preempted'),
        (signal.SIGTERM, 3545, 3600, 'limit'),
        (signal.SIGUSR1, 3000, 3600, 'preempted'),
        (signal.SIGTERM, 100, 120, 'limit'),
        (signal.SIGTERM, 90, 120, 'preempted'),
    ],
)
def test_only_the_warning_or_the_last_minute_is_the_time_limit(number, after_s, limit_s, ended):
    assert job_module.ended_by(number, after_s, limit_s) == ended


def test_a_failure_of_another_jobs_stage_is_not_run_again(made, ran):
    """Two trials, one of which has diverged: a job with what reads them computes that alone."""
    good, bad = stage('train', 'good'), stage('train', 'bad', fails='diverged')
    refine = stage('refine', 'own', good)
    job, store, _ = made(good, bad, refine, *(own := chain('own', fails='as it should')))
    assert run_job(job) == 'done'
    store.discard('refine', refine.key)
    del ran[1:]
    assert run_job(replace(job, retry_failed=True, keys=frozenset({refine.key, own[0].key}))) == 'done'
    assert sorted(ran[1:]) == ['own', 'own'], 'the missing result, and the failure of its own'


def test_an_error_of_the_job_is_noted_and_not_raised(made, ran, monkeypatch):
    def broken(timeout_s):
        raise ImportError('no torch on this node')

    monkeypatch.setattr(job_module, 'NodeLauncher', broken)
    job, _, book = made(*chain('a'))
    assert run_job(job) == 'error' and book.note('x') == Note({}, 'error', 'ImportError: no torch on this node')


@pytest.mark.parametrize(
    'status, waits',
    [
        (-signal.SIGTERM, True),
        (-signal.SIGUSR2, True),
        (128 + signal.SIGTERM, True),  # a stage ends itself in order
        (128 + signal.SIGUSR1, True),
        (255, True),  # the server from which it was forked was ended
        (-signal.SIGKILL, False),
        (1, False),
    ],
)
def test_a_stage_that_hears_a_signal_to_the_job_first_has_not_failed(monkeypatch, status, waits):
    monkeypatch.setattr(LocalLauncher, 'poll', lambda self: dict(a=self._why(status)))

    def hear(seconds):
        raise ToldToEnd(signal.SIGTERM)

    monkeypatch.setattr(job_module.time, 'sleep', hear)
    launcher = NodeLauncher()
    if waits:
        with pytest.raises(ToldToEnd):
            launcher.poll()
    else:
        assert launcher.poll() == dict(a=LocalLauncher._why(status))


def test_a_job_takes_the_drivers_folder_path_and_variables(made, ran, tmp_path, monkeypatch):
    monkeypatch.chdir(os.getcwd())
    monkeypatch.setenv('ABLATION_WORK_DIR', 'before')
    job, _, _ = made(stage('train', 'a'))
    run_job(replace(job, cwd=str(tmp_path), path=('/beside/the/grid',), environment=dict(ABLATION_WORK_DIR='x')))
    assert os.getcwd() == str(tmp_path) and '/beside/the/grid' in sys.path and os.environ['ABLATION_WORK_DIR'] == 'x'
