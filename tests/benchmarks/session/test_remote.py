"""The remote store of a run: refused before anything else, told, asked and given what it lacks."""

import argparse
import uuid
from types import SimpleNamespace

import pytest
from tiny_grid import chain, plan_of

from benchmarks.cli import _refuse_store_without_a_run
from benchmarks.errors import BadInput
from benchmarks.run.contract import Launcher
from benchmarks.session.look import Ways
from benchmarks.session.remote import Remote, open_remote
from benchmarks.session.summary import show_plan
from benchmarks.store.remote.place import RemotePlace
from benchmarks.store.store import Store


@pytest.fixture
def remote():
    return Remote(RemotePlace(f'memory://{uuid.uuid4().hex}'), exclusive=True)


@pytest.fixture
def plan():
    return plan_of(*chain('x'))


@pytest.fixture
def store(tmp_path, plan):
    """A store with all results of the plan; the refinement has failed."""
    store = Store(tmp_path / 'store')
    for key, one in plan.stages.items():
        with store.writing(key) as folder:
            fields = dict(reason=None, facts={}, ingredients={}, label=one.label)
            store.commit(one.kind, key, folder, status='failed' if one.kind == 'refine' else 'ok', **fields)
    return store


def found(store, plan):
    return {key: store.get(one.kind, key) for key, one in plan.stages.items()}


def test_it_is_given_the_good_results_that_it_lacks(remote, store, plan):
    train, predict, refine = plan.stages
    assert remote.among(plan, plan.stages) == set()
    remote.take_up(store, plan, found(store, plan))
    assert remote.among(plan, plan.stages) == {train, predict}
    assert remote.among(plan, [predict, refine]) == {predict}


def test_a_store_that_is_lost_meanwhile_is_told_and_costs_nothing(remote, store, plan, monkeypatch, capsys):
    def away(*_, **__):
        raise ConnectionResetError('away')

    monkeypatch.setattr(remote.place.fs, 'put', away)
    remote.take_up(store, plan, found(store, plan))
    url = remote.place.url
    assert capsys.readouterr().out.startswith(f'note: {url} cannot be read or written: ConnectionResetError: away. ')
    monkeypatch.setattr(remote.place.fs, 'ls', away)
    assert remote.among(plan, plan.stages) == set()
    assert f'note: {url} cannot be read or written' in capsys.readouterr().out


def test_the_plan_says_what_is_there_and_takes_no_time_for_it(store, plan, capsys):
    train = next(iter(plan.stages))
    show_plan(plan, {}, {train: 'stored in s3://b/x'}, store, 1, [], brought={train})
    said = capsys.readouterr().out
    assert '1 × stored in s3://b/x: x' in said and 'training steps' not in said and 'estimated' not in said


@pytest.mark.parametrize('dry_run', [True, False])
def test_it_is_tried_and_left_as_it_was(tmp_path, capsys, dry_run):
    remote = open_remote(str(tmp_path / 'shared'), dry_run=dry_run)
    assert remote.exclusive is not dry_run and remote.place.names('trial') == set() and capsys.readouterr().out == ''


def test_without_exclusive_creation_a_note_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(RemotePlace, 'excludes', lambda self: False)
    assert not open_remote(str(tmp_path), dry_run=False).exclusive
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f'note: {tmp_path} cannot make a file for one of several processes alone')


def test_one_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(BadInput, match=f'--store: {tmp_path}/file/x cannot be read or written: .* credentials allow'):
        open_remote(f'{tmp_path}/file/x', dry_run=False)
    with pytest.raises(BadInput, match='--store memory://x: no other process sees'):
        open_remote('memory://x', dry_run=False)


def test_a_grids_file_is_named_where_it_gives_the_url(tmp_path):
    with pytest.raises(BadInput, match="g.py: 'store' memory://x: no other process sees"):
        open_remote('memory://x', dry_run=False, giver="g.py: 'store'")
    with pytest.raises(BadInput, match="g.py: 'store': the URL has a password"):
        open_remote('s3://me:hush@b/x', dry_run=False, giver="g.py: 'store'")


def test_what_it_runs_is_a_launcher(remote, store):
    class Local:
        timeout_s = 3.0

    assert isinstance(remote.launcher(Local(), store), Launcher)
    assert remote.launcher(Local(), store).timeout_s == 3.0


@pytest.mark.parametrize(
    'other, named',
    [
        (dict(launcher='slurm'), '--launcher slurm share the work dir'),
        (dict(collect_garbage=True), '--collect-garbage is none'),
        (dict(report_only=True), '--report-only is none'),
        (dict(check=['x']), '--check is none'),
    ],
)
def test_the_flag_is_refused_where_nothing_reads_it(other, named):
    flags = dict(store='s3://b/x', launcher='local', collect_garbage=False, report_only=False, check=None)
    _refuse_store_without_a_run(argparse.Namespace(**flags))
    _refuse_store_without_a_run(argparse.Namespace(**flags | dict(store='none', launcher='slurm')))
    _refuse_store_without_a_run(argparse.Namespace(**flags | other | dict(store=None)))
    with pytest.raises(BadInput, match=f'--store.*{named}'):
        _refuse_store_without_a_run(argparse.Namespace(**flags | other))


class Idle:
    """A launcher to which nothing may be submitted."""

    timeout_s = None

    def poll(self):
        return {}

    def cancel_all(self):
        pass


def ways_of(store, remote):
    place = SimpleNamespace(launcher=Idle(), device='cpu', jobs=2, packs_one_gpu=False, shares_gpu=False)
    return Ways(store, place, False, None, frozenset(), remote)


def test_what_one_work_dir_has_is_found_and_brought_to_another(remote, store, plan, tmp_path):
    plan = plan_of(*list(plan.stages.values())[:2])
    data = SimpleNamespace(test=SimpleNamespace(split=SimpleNamespace(images=['0']), pixels=4), by_config={})
    settings = SimpleNamespace(cache=tmp_path / 'cache')
    experiment = SimpleNamespace(plan=plan, data=data, request=SimpleNamespace(settings=settings))
    settings.cache.mkdir()

    one = ways_of(store, remote)
    look = one.look(experiment)
    assert look.found.keys() == plan.stages.keys() and look.brought == set()
    one.driver(look, None).run(lambda state: None)

    other = ways_of(Store(tmp_path / 'far'), remote)
    look = other.look(experiment)
    assert look.found == {} and look.brought == plan.stages.keys()
    assert set(look.reasons.values()) == {f'stored in {remote.place.url}'}
    state = other.driver(look, None).run(lambda state: None)
    assert [result.ok for result in state.results.values()] == [True, True]
