"""The parts that stages are made of, without a training."""

import errno
import json
import multiprocessing
import os
import re
import resource
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock, patch

import numpy as np
import pytest
import torch

from benchmarks.data.split import Split
from benchmarks.run.contract import DISK_FULL, OVER_QUOTA
from benchmarks.stages.facts import FactsTable, read_facts
from benchmarks.stages.maps import MapWriter, read_map, write_map
from benchmarks.stages.outcome import Diverged, classify
from benchmarks.stages.process_state import ChangedState, process_state, refuse_changed_state
from benchmarks.stages.progress import Progress
from benchmarks.stages.refine import MOST_VALUES, groups
from benchmarks.stages.together import EXIT_FAILED_TOGETHER, run_together
from benchmarks.stages.train import _Watch
from benchmarks.stages.worker import (
    EXIT_DAMAGED_PARENT,
    EXIT_DISK_FULL,
    EXIT_FAILED_ON_SHARED_GPU,
    EXIT_KEPT_EARLIER,
    EXIT_LOST_LEASE,
    EXIT_OVER_QUOTA,
    Task,
    lost_lease_told,
    parents_usable,
    run_task,
)
from benchmarks.store.store import Store

KEY, PARENT = 'a' * 40, 'b' * 40


@pytest.mark.parametrize(
    'error, expected',
    [
        (Diverged('the loss became nan'), ('diverged', 'the loss became nan')),
        (MemoryError(), ('out_of_memory', 'MemoryError:')),
        (RuntimeError('std::bad_alloc'), ('out_of_memory', 'RuntimeError: std::bad_alloc')),
        (RuntimeError('CUDA error: Out of Memory'), ('out_of_memory', 'RuntimeError: CUDA error: Out of Memory')),
        (torch.OutOfMemoryError('tried to\n allocate'), ('out_of_memory', 'OutOfMemoryError: tried to allocate')),
        (
            RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`'),
            (
                'out_of_memory',
                'RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`',
            ),
        ),
        (ValueError('a\nb   c'), ('failed', 'ValueError: a b c')),
    ],
)
def test_how_an_error_is_classified(error, expected):
    assert classify(error) == expected


def test_reasons_stay_short():
    assert len(classify(ValueError('x' * 9999))[1]) == 500


def test_maps_come_back_as_they_were(tmp_path):
    q = np.random.default_rng(0).integers(0, 65536, (3, 5, 7)).astype(np.uint16)
    q[0, 0, :2] = 0, 65535
    write_map(tmp_path, 2, q)
    write_map(tmp_path, 11, q[:, ::-1].transpose(0, 2, 1))
    read = read_map(tmp_path, 2)
    assert read.dtype == np.uint16 and np.array_equal(read, q)
    assert np.array_equal(read_map(tmp_path, 11), q[:, ::-1].transpose(0, 2, 1))


def written(tmp_path, rooms, images=3):
    """How many maps of each stack are there after a pass. All maps have one size, which is the unit of ``rooms``."""
    q = np.random.default_rng(0).integers(0, 65536, (2, 9, 7), np.uint16)
    size = write_map(tmp_path, 0, q)
    assert size == (tmp_path / 'maps' / '000000.npz').stat().st_size
    folders = [tmp_path / str(n) for n in range(len(rooms))]
    writer = MapWriter(folders, [room if room is None else round(room * size) for room in rooms])
    for folder in folders:
        folder.mkdir()
    for index in range(images):
        for folder in folders:
            writer.write(folder, index, q)
    for folder in folders:
        assert all(np.array_equal(read_map(folder, index), q) for index in range(len(list(folder.glob('maps/*')))))
    return [len(list(folder.glob('maps/*'))) for folder in folders]


@pytest.mark.parametrize(
    'rooms, kept',
    [
        ([None, None], [3, 3]),
        ([0, None], [0, 3]),
        ([None, 0], [3, 0]),
        ([3], [3]),
        ([2.9], [0]),
        ([0, 0], [0, 0]),
        ([6, 6], [3, 3]),
        ([5, 5, None], [3, 0, 3]),
        ([2, None, 2], [0, 3, 0]),
        ([9, 9, 9, 9], [3, 3, 3, 0]),
    ],
)
def test_the_maps_of_a_pass_fit_the_room_that_they_share(tmp_path, rooms, kept):
    assert written(tmp_path, rooms) == kept


def test_progress_is_written_now_and_then_and_at_the_end(tmp_path, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr('time.monotonic', lambda: next(clock) / 10)
    progress = Progress(tmp_path, 20)
    seen = []
    for step in range(20):
        progress.advance(loss=float(step))
        content = json.loads((tmp_path / 'progress.json').read_text())
        if content not in seen:
            seen.append(content)
    assert [content['step'] for content in seen] == [1, 6, 11, 16, 20] and seen[-1]['eta_s'] == 0
    assert seen[1]['loss'] == 5.0 and seen[1]['total'] == 20 and seen[1]['eta_s'] == pytest.approx(0.1 * 14)


def test_progress_tells_what_the_process_holds_of_the_gpu(tmp_path, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr('time.monotonic', lambda: next(clock))
    now = iter(
        [
            None,
            *(
                dict(reserved_mib=held, peak_reserved_mib=peak, free_mib=100.0 - held)
                for held, peak in ((5.0, 30.0), (8.0, 8.0), (40.0, 41.0))
            ),
        ]
    )
    monkeypatch.setattr('benchmarks.stages.progress.cuda_now', lambda: next(now))
    progress, seen = Progress(tmp_path, 4), []
    for _ in range(4):
        progress.advance()
        seen.append(json.loads((tmp_path / 'progress.json').read_text()).get('gpu'))
    assert seen[0] is None and [one.pop('at') for one in seen[1:]] == [3, 5, 7]
    assert [(one['reserved_mib'], one['peak_reserved_mib'], one['free_mib']) for one in seen[1:]] == [
        (5.0, 30.0, 95.0),
        (8.0, 30.0, 92.0),
        (40.0, 41.0, 60.0),
    ]


def split():
    return Split(
        'test',
        ['x/1.png', 'x/2.png'],
        ['', ''],
        ['1', '2'],
        ['p', 'q'],
        True,
        ('a', 'b', 'c'),
        0,
        False,
        None,
        9,
        ('x',),
    )


def test_facts_of_an_image_by_hand(tmp_path):
    truth, labels = np.zeros((6, 6), np.int64), np.zeros((6, 6), np.int64)
    truth[1:3, 1:3] = 1
    labels[1:3, 1:4] = 1
    truth[5] = 9  # void
    table = FactsTable(split(), 3)
    table.add('x/2.png', labels, truth)
    table.write(tmp_path)
    rows = list(read_facts(tmp_path))
    assert [(row['image'], row['group'], row['class']) for row in rows] == [('2', 'q', 0), ('2', 'q', 1), ('2', 'q', 2)]
    assert [(row['tp'], row['fp'], row['fn']) for row in rows] == [(24, 0, 2), (4, 2, 0), (0, 0, 0)]
    assert rows[2]['hd95_px'] is None and rows[1]['hd95_px'] == 1.0
    # Four edge pixels of the truth, six of the prediction: its right column is one pixel off, the rest is met.
    assert rows[2]['assd_px'] is None and rows[1]['assd_px'] == 0.2
    assert (rows[1]['edge_close'], rows[1]['edge_total']) == (10, 10)
    assert rows[1]['boundary_tp'] == 4 and rows[1]['boundary_fp'] == 2 and rows[1]['boundary_fn'] == 0


def test_facts_of_an_unknown_image_are_refused():
    with pytest.raises(KeyError):
        FactsTable(split(), 3).add('x/3.png', np.zeros((2, 2), int), np.zeros((2, 2), int))


class _NoPeak:
    def sample(self):
        pass


def watch_losses(tmp_path, losses, device='cpu'):
    watch = _Watch(Progress(tmp_path, len(losses)), _NoPeak(), device)
    seen = 0
    for n, loss in enumerate(losses):
        optimizers = SimpleNamespace(get_lr=lambda n=n: {'first.lr': [0.1 / (n + 1), 9.0], 'second.lr': [8.0]})
        runner = SimpleNamespace(iter=n, max_iters=len(losses), optim_wrapper=optimizers)
        seen = n + 1
        try:
            watch.after_train_iter(runner, n, outputs=dict(loss=torch.tensor(loss)))
        except Diverged as error:
            return seen, str(error), watch
    return seen, None, watch


@pytest.mark.parametrize('bad', [float('nan'), float('inf'), -float('inf')])
@pytest.mark.parametrize('device, last', [('cpu', 4), ('cuda', 10)])
def test_a_loss_that_is_no_number_stops_the_training(tmp_path, bad, device, last):
    seen, reason, _ = watch_losses(tmp_path, [1.0] * 3 + [bad] + [1.0] * 20, device)
    assert seen == last and f'the loss became {bad}' in reason and f'before step {last}' in reason


def test_the_learning_rate_of_each_step_is_that_of_the_first_parameters(tmp_path):
    _, _, watch = watch_losses(tmp_path, [1.0] * 4)
    assert watch.rates.tolist() == [0.1, 0.05, pytest.approx(0.1 / 3), 0.025]


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_the_last_ten_losses_are_kept(tmp_path, device):
    seen, reason, watch = watch_losses(tmp_path, [float(n) for n in range(23)], device)
    assert reason is None and seen == 23 and watch.last_losses == [float(n) for n in range(13, 23)]
    _, reason, _ = watch_losses(tmp_path, [1.0] * 5 + [float('nan')], 'cuda')
    assert reason is not None  # the last step is always looked at


def task(store, parents=(), **changes):
    fields = dict(
        kind='pretend',
        key=KEY,
        label='baseline__seed0',
        config=dict(x=1),
        parents=parents,
        ingredients=dict(a='1'),
        store=str(store.root),
        device='cpu',
    )
    return Task(**{**fields, **changes})


def fail(error):
    """Raise an exception, or call what is no exception."""
    if isinstance(error, BaseException):
        raise error
    error()


@pytest.fixture
def pretend(monkeypatch):
    """A stage of no other use: notes its calls, prints, and does as it is told."""
    monkeypatch.setattr('signal.signal', lambda *_: None)  # Ctrl-C stays pytest's
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    module = type(sys)('benchmarks.stages.pretend')
    module.calls, module.error = [], None

    def run(config, folder, parents, device):
        module.calls.append((config, parents, device))
        print('said on the way')
        (folder / 'result.txt').write_text('done')
        (folder / 'run').mkdir()
        (folder / 'progress.json').write_text('{}')
        if module.error:
            fail(module.error)
        return dict(seconds=1.0)

    module.run = run
    monkeypatch.setitem(sys.modules, 'benchmarks.stages.pretend', module)
    return module


def test_a_stage_is_run_and_stored_with_its_log(tmp_path, pretend, capfd):
    store = Store(tmp_path)
    run_task(task(store))
    result = store.get('pretend', KEY, verify=True)
    assert result.ok and result.facts == dict(seconds=1.0) and result.ingredients == dict(a='1')
    assert result.label == 'baseline__seed0'
    assert {path.name for path in result.folder.iterdir()} == {'manifest.json', 'log.txt', 'result.txt'}
    log = (result.folder / 'log.txt').read_text()
    assert 'said on the way' in log and 'pretend baseline__seed0: ok after' in log and capfd.readouterr().out == ''


def test_a_stage_that_raises_is_stored_as_a_failure_with_its_traceback(tmp_path, pretend):
    store = Store(tmp_path)
    pretend.error = ValueError('no luck')
    run_task(task(store))
    result = store.get('pretend', KEY)
    assert (result.status, result.reason, result.facts) == ('failed', 'ValueError: no luck', {})
    assert 'Traceback' in (result.folder / 'log.txt').read_text()


# The exit statuses of a stage mean something to the driver, so that a plugin may not choose one.
ENDS = [
    (
        lambda: sys.exit(EXIT_DAMAGED_PARENT),
        f'it calls sys.exit({EXIT_DAMAGED_PARENT}); a part of a config must return',
    ),
    (lambda: sys.exit(), 'it calls sys.exit(); a part of a config must return, or raise an error'),
    (lambda: os._exit(0), 'it calls os._exit(0); a part of a config must return, or raise an error'),
    (KeyboardInterrupt(), 'it raises KeyboardInterrupt; a part of a config must return, or raise an error'),
]


@pytest.mark.parametrize('end, said', ENDS)
def test_a_part_that_would_end_the_process_is_a_failure(tmp_path, pretend, end, said):
    store = Store(tmp_path)
    pretend.error = end
    run_task(task(store))
    result = store.get('pretend', KEY)
    assert result.status == 'failed' and said in result.reason
    assert 'Traceback' in (result.folder / 'log.txt').read_text()


@pytest.mark.parametrize('end, said', ENDS)
def test_a_part_that_would_end_a_pass_ends_no_other_stage_of_it(tmp_path, pretend_pass, end, said):
    pretend_pass.error = end
    with pytest.raises(SystemExit) as exited:
        run_together([task(Store(tmp_path), key=name * 40) for name in 'xy'])
    assert exited.value.code == EXIT_FAILED_TOGETHER


@pytest.mark.parametrize(
    'facts, complaint', [(None, 'returned None'), ([1], r'returned \[1\]'), (dict(kinds={1}), 'are no JSON .*set')]
)
def test_facts_that_the_store_cannot_keep_are_a_failure_that_names_the_stage(
    tmp_path, pretend, monkeypatch, facts, complaint
):
    store = Store(tmp_path)
    monkeypatch.setattr(pretend, 'run', lambda config, folder, parents, device: facts)
    run_task(task(store))
    result = store.get('pretend', KEY)
    assert result.status == 'failed' and re.search(rf'stages/pretend.py .*{complaint}', result.reason)


def test_what_is_there_is_not_run_again_but_a_failure_may_be(tmp_path, pretend):
    store = Store(tmp_path)
    pretend.error = ValueError('no luck')
    run_task(task(store))
    pretend.error = None
    run_task(task(store))
    assert len(pretend.calls) == 1 and not store.get('pretend', KEY).ok
    run_task(task(store, rerun_failures=True))
    run_task(task(store, rerun_failures=True))
    assert len(pretend.calls) == 2 and store.get('pretend', KEY).ok


@pytest.mark.parametrize('before', [None, ValueError('no luck')])
@pytest.mark.parametrize(
    'error, status',
    [
        (torch.OutOfMemoryError('tried to allocate'), 'out_of_memory'),
        (RuntimeError('CUBLAS_STATUS_NOT_INITIALIZED'), 'failed'),
    ],
)
def test_a_failure_is_no_result_where_others_may_have_run_beside_it(tmp_path, pretend, before, error, status):
    store = Store(tmp_path)
    pretend.error = before
    if before:
        run_task(task(store))
    pretend.error = error
    with pytest.raises(SystemExit) as exited:
        run_task(task(store, shares_gpu=True, rerun_failures=True))
    assert exited.value.code == EXIT_FAILED_ON_SHARED_GPU and list((tmp_path / 'running').iterdir()) == []
    assert store.get('pretend', KEY) is None if before is None else store.get('pretend', KEY).status == 'failed'
    run_task(task(store, alone=True, rerun_failures=True))
    assert store.get('pretend', KEY).status == status
    pretend.error = None
    run_task(task(store, shares_gpu=True, rerun_failures=True))
    assert store.get('pretend', KEY).ok


@pytest.mark.parametrize('run', [run_task, lambda one: run_together([one, replace(one, key='y' * 40)])])
@pytest.mark.parametrize(
    'number, status, reason', [(errno.ENOSPC, EXIT_DISK_FULL, DISK_FULL), (errno.EDQUOT, EXIT_OVER_QUOTA, OVER_QUOTA)]
)
def test_a_disk_too_full_for_a_failure_is_told_by_the_exit_status(
    tmp_path, pretend_pass, monkeypatch, number, status, reason, run
):
    store = Store(tmp_path)
    error = OSError(number, os.strerror(number))
    assert classify(error) == ('failed', reason)
    monkeypatch.setattr(Store, 'commit', Mock(side_effect=error))
    with pytest.raises(SystemExit) as exited:
        run(task(store))
    assert exited.value.code == status and list((tmp_path / 'running').iterdir()) == []
    monkeypatch.setattr(Store, 'commit', Mock(side_effect=OSError(errno.EIO, 'the disk is broken')))
    with pytest.raises(OSError, match='the disk is broken'):
        run(task(store))


@pytest.mark.parametrize('run', [run_task, lambda one: run_together([one, replace(one, key='y' * 40)])])
def test_a_stage_that_another_host_has_taken_over_ends_with_a_status_of_its_own(tmp_path, pretend_pass, run):
    store = Store(tmp_path)

    def taken_over(*_):
        (lease,) = (tmp_path / 'running').glob(f'{KEY}-*.lease')
        lease.rename(lease.with_name(f'{KEY}-far.0-1-2-3.lease'))
        return {}

    pretend_pass.run, pretend_pass.run_together = taken_over, lambda *_: [taken_over(), {}]
    with pytest.raises(SystemExit) as exited:
        run(task(store))
    assert exited.value.code == EXIT_LOST_LEASE and store.get('pretend', KEY) is None
    assert [path.name for path in (tmp_path / 'running').iterdir()] == [f'{KEY}-far.0-1-2-3.lease']


def _lose_the_lease_at_work():
    with lost_lease_told() as lost, patch.object(os, '_exit', side_effect=RuntimeError):  # as a stage's code may do it
        threading.Thread(target=lost).start()
        time.sleep(60)


def test_a_stage_ends_while_it_computes_once_its_lease_is_lost():
    process = multiprocessing.get_context('fork').Process(target=_lose_the_lease_at_work)
    process.start()
    process.join(30)
    assert process.exitcode == EXIT_LOST_LEASE


def test_a_stage_that_runs_again_replaces_its_result_only_when_it_succeeds(tmp_path, pretend):
    store = Store(tmp_path)
    run_task(task(store))
    first = store.identity('pretend', KEY)
    pretend.error = RuntimeError('no')
    with pytest.raises(SystemExit) as exited:
        run_task(task(store, again=True, rerun_failures=True))
    assert exited.value.code == EXIT_KEPT_EARLIER and store.get('pretend', KEY, verify=True).ok
    assert store.identity('pretend', KEY) == first
    pretend.error = None
    run_task(task(store, again=True))
    assert len(pretend.calls) == 3 and store.identity('pretend', KEY) != first


@pytest.mark.parametrize('alone', [False, True])
def test_a_stage_may_have_the_machine_to_itself(tmp_path, pretend, monkeypatch, alone):
    asked, machine = [], Store.machine

    def spied(self, *, alone, **more):
        asked.append(alone)
        return machine(self, alone=alone, **more)

    monkeypatch.setattr(Store, 'machine', spied)
    run_task(task(Store(tmp_path), alone=alone))
    assert asked == [alone]


def test_a_stage_reads_its_parents_and_an_altered_one_is_forgotten(tmp_path, pretend):
    store = Store(tmp_path)
    run_task(task(store, key=PARENT))
    run_task(task(store, parents=(('pretend', PARENT),)))
    assert pretend.calls[-1] == (dict(x=1), dict(pretend=store.folder('pretend', PARENT)), 'cpu')
    (store.folder('pretend', PARENT) / 'result.txt').write_text('DONE')
    with pytest.raises(SystemExit) as exited:
        run_task(task(store, key='c' * 40, parents=(('pretend', PARENT),)))
    assert exited.value.code == EXIT_DAMAGED_PARENT
    assert store.get('pretend', PARENT) is None and store.get('pretend', 'c' * 40) is None
    assert len(pretend.calls) == 2 and list((tmp_path / 'running').iterdir()) == []


@pytest.mark.parametrize('kind, usable', [('choose', True), ('refine', False)])
def test_a_stage_that_reads_counts_alone_runs_without_the_maps_of_its_parents(tmp_path, kind, usable):
    """A prediction that was allowed too few bytes for its maps has its counts."""
    store = Store(tmp_path)
    with store.writing(PARENT) as folder:
        kept = dict(status='ok', reason=None, facts={}, ingredients={}, label='baseline__seed0', whole=False)
        store.commit('predict', PARENT, folder, **kept)
    assert parents_usable(store, replace(task(store, parents=(('predict', PARENT),)), kind=kind)) is usable


def child_that_fails(store, pretend, monkeypatch, meanwhile):
    """Exit status, or None, of a stage that calls ``meanwhile`` while it runs, and then cannot read its parent."""
    run_task(task(store, key=PARENT))

    def run(config, folder, parents, device):
        meanwhile()
        raise FileNotFoundError(parents['pretend'] / 'result.txt')

    monkeypatch.setattr(pretend, 'run', run)
    try:
        run_task(task(store, parents=(('pretend', PARENT),)))
    except SystemExit as exited:
        return exited.code


def test_a_failure_under_a_parent_that_was_discarded_meanwhile_is_not_the_stages(tmp_path, pretend, monkeypatch):
    store = Store(tmp_path)
    discard = lambda: store.discard('pretend', PARENT)
    assert child_that_fails(store, pretend, monkeypatch, discard) == EXIT_DAMAGED_PARENT
    assert store.get('pretend', KEY) is None


def test_a_failure_under_a_parent_that_was_replaced_meanwhile_is_not_the_stages(tmp_path, pretend, monkeypatch):
    store = Store(tmp_path)

    def replace():
        with store.writing(PARENT) as folder:
            store.commit('pretend', PARENT, folder, status='ok', reason=None, facts={}, ingredients={}, label='new')

    assert child_that_fails(store, pretend, monkeypatch, replace) == EXIT_DAMAGED_PARENT
    assert store.get('pretend', KEY) is None and store.get('pretend', PARENT).label == 'new'


def test_a_failure_above_sound_parents_is_the_stages(tmp_path, pretend, monkeypatch):
    store = Store(tmp_path)
    assert child_that_fails(store, pretend, monkeypatch, lambda: None) is None
    assert store.get('pretend', KEY).status == 'failed' and store.get('pretend', PARENT).ok


def test_a_parent_that_failed_meanwhile_is_not_read(tmp_path, pretend):
    store = Store(tmp_path)
    pretend.error = ValueError('no luck')
    run_task(task(store, key=PARENT))
    with pytest.raises(SystemExit) as exited:
        run_task(task(store, parents=(('pretend', PARENT),)))
    assert exited.value.code == EXIT_DAMAGED_PARENT and len(pretend.calls) == 1 and not store.get('pretend', PARENT).ok


@pytest.fixture
def pretend_pass(pretend):
    """The stage of no other use, which several share."""

    def run_together(configs, folders, parents, device):
        pretend.calls.append((configs, parents, device))
        print('said on the way')
        (folders[0] / 'run').mkdir()
        for config, folder in zip(configs, folders):
            (folder / 'result.txt').write_text(str(config['x']))
            (folder / 'progress.json').write_text('{}')
        if pretend.error:
            fail(pretend.error)
        return [dict(x=config['x']) for config in configs]

    pretend.run_together = run_together
    return pretend


def test_a_pass_stores_a_result_for_each_of_its_stages(tmp_path, pretend_pass):
    store = Store(tmp_path)
    run_task(task(store, key=PARENT))
    run_together(
        [
            task(store, key=name * 40, label=name, parents=(('pretend', PARENT),), config=dict(x=n))
            for n, name in enumerate('zyx')
        ]
    )
    assert len(pretend_pass.calls) == 2
    assert pretend_pass.calls[-1][1] == [dict(pretend=store.folder('pretend', PARENT))] * 3
    for n, name in enumerate('zyx'):
        result = store.get('pretend', name * 40, verify=True)
        assert result.ok and result.facts == dict(x=n) and result.label == name
        assert (result.folder / 'result.txt').read_text() == str(n)
        assert {path.name for path in result.folder.iterdir()} == {'manifest.json', 'log.txt', 'result.txt'}
        assert 'said on the way' in (result.folder / 'log.txt').read_text()
    assert list((tmp_path / 'running').iterdir()) == []


def test_a_pass_leaves_out_what_another_driver_has_computed(tmp_path, pretend_pass):
    store = Store(tmp_path)
    run_task(task(store, key='y' * 40))
    run_together([task(store, key=name * 40) for name in 'xyz'])
    assert [len(call[0]) for call in pretend_pass.calls[1:]] == [2]
    run_together([task(store, key=name * 40) for name in 'xyz'])
    assert len(pretend_pass.calls) == 2


def test_a_pass_that_raises_stores_nothing(tmp_path, pretend_pass):
    store = Store(tmp_path)
    pretend_pass.error = ValueError('no luck')
    with pytest.raises(SystemExit) as exited:
        run_together([task(store, key=name * 40) for name in 'xy'])
    assert exited.value.code == EXIT_FAILED_TOGETHER
    assert [store.get('pretend', name * 40) for name in 'xy'] == [None, None]
    assert list((tmp_path / 'running').iterdir()) == []


CHANGES = {
    "torch's default dtype from torch.float32 to torch.float64": lambda: torch.set_default_dtype(torch.float64),
    'the current folder from ': lambda: os.chdir('/'),
    'whether torch records gradients from True to False': lambda: torch.set_grad_enabled(False),
    'the precision of float32 products': lambda: torch.set_float32_matmul_precision('medium'),
    'TF32 in cuDNN': lambda: setattr(torch.backends.cudnn, 'allow_tf32', not torch.backends.cudnn.allow_tf32),
    "numpy's handling of errors": lambda: np.seterr(over='raise'),
}


@pytest.fixture
def state_restored():
    folder, dtype, precision = os.getcwd(), torch.get_default_dtype(), torch.get_float32_matmul_precision()
    tf32, errors = torch.backends.cudnn.allow_tf32, np.geterr()
    yield
    os.chdir(folder)
    torch.set_default_dtype(dtype)
    torch.set_grad_enabled(True)
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = tf32
    np.seterr(**errors)


@pytest.mark.usefixtures('state_restored')
@pytest.mark.parametrize('change', CHANGES)
def test_a_part_that_changes_the_process_changes_no_other_stage_of_its_pass(tmp_path, pretend_pass, capfd, change):
    """The pass counts for nothing, and each stage then runs in a process of its own."""
    store = Store(tmp_path)
    pretend_pass.error = CHANGES[change]
    with pytest.raises(SystemExit) as exited:
        run_together([task(store, key=name * 40) for name in 'xy'])
    assert exited.value.code == EXIT_FAILED_TOGETHER
    assert [store.get('pretend', name * 40) for name in 'xy'] == [None, None]


@pytest.mark.usefixtures('state_restored')
@pytest.mark.parametrize('change', CHANGES)
def test_what_a_part_has_changed_is_named(change):
    before = process_state()
    refuse_changed_state(before)
    CHANGES[change]()
    with pytest.raises(ChangedState, match=f'a part of a config has changed {change}'):
        refuse_changed_state(before)


def test_want_of_memory_is_told_with_the_limit(tmp_path, pretend):
    store = Store(tmp_path)
    pretend.error = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
    run_task(task(store))
    result = store.get('pretend', KEY)
    assert result.status == 'out_of_memory' and 'tried to allocate 9 bytes' in result.reason
    assert re.search(r'\(the process may use \d+ MiB\)$', result.reason)


ROOM = 2**29  # bytes; the stacks and heaps of threads reserve some of them


def _run_in_little_memory(one):
    has = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (has + ROOM, has + ROOM))
    run_task(one)


def _leak():
    leaked = []
    while True:
        leaked.append(bytearray(2**22))


def test_a_part_that_leaks_memory_is_told_with_the_limit(tmp_path, pretend):
    store = Store(tmp_path)
    pretend.error = _leak
    process = multiprocessing.get_context('fork').Process(target=_run_in_little_memory, args=(task(store),))
    process.start()
    process.join(120)
    result = store.get('pretend', KEY)
    assert process.exitcode == 0 and result.status == 'out_of_memory'
    assert re.fullmatch(r'MemoryError: \(the process may use \d+ MiB\)', result.reason)


def test_a_part_that_prints_megabytes_costs_a_log(tmp_path, pretend):
    store = Store(tmp_path)
    pretend.error = lambda: os.write(1, b'x' * 2**20) and [print('y' * 2**20) for _ in range(8)]
    run_task(task(store))
    result = store.get('pretend', KEY, verify=True)
    assert result.ok and (result.folder / 'log.txt').stat().st_size > 9 * 2**20


def test_a_pass_over_an_altered_parent_forgets_it(tmp_path, pretend_pass):
    store = Store(tmp_path)
    run_task(task(store, key=PARENT))
    (store.folder('pretend', PARENT) / 'result.txt').write_text('DONE')
    with pytest.raises(SystemExit) as exited:
        run_together([task(store, key=name * 40, parents=(('pretend', PARENT),)) for name in 'xy'])
    assert exited.value.code == EXIT_DAMAGED_PARENT
    assert store.get('pretend', PARENT) is None and len(pretend_pass.calls) == 1


def test_a_pass_over_several_parents_looks_at_each(tmp_path, pretend_pass):
    store = Store(tmp_path)
    parents = ['1' * 40, '2' * 40]
    for parent in parents:
        run_task(task(store, key=parent))
    tasks = [task(store, key=name * 40, parents=(('pretend', parent),)) for name, parent in zip('xy', parents)]
    (store.folder('pretend', parents[1]) / 'result.txt').write_text('DONE')
    with pytest.raises(SystemExit) as exited:
        run_together(tasks)
    assert exited.value.code == EXIT_DAMAGED_PARENT
    assert store.get('pretend', parents[0]).ok and store.get('pretend', parents[1]) is None
    run_task(task(store, key=parents[1]))
    run_together(tasks)
    assert pretend_pass.calls[-1][1] == [dict(pretend=store.folder('pretend', parent)) for parent in parents]


def test_of_large_images_fewer_maps_are_refined_at_once():
    assert groups(5, 1000) == [range(5)]
    assert groups(5, MOST_VALUES // 2) == [range(0, 2), range(2, 4), range(4, 5)]
    assert groups(2, 10 * MOST_VALUES) == [range(0, 1), range(1, 2)]
