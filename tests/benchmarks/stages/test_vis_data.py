"""Files of vis_backends: a training keeps them, and what tests or measures never opens them."""

from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.visualization import WandbVisBackend

from benchmarks.stages.vis_data import keep_vis_data, leave_to_trainings, other_backends

OWN, OTHER = dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')


def config(*backends):
    return dict(visualizer=dict(type='SegLocalVisualizer', name='visualizer', vis_backends=list(backends)))


@pytest.mark.parametrize(
    ('given', 'others'),
    [
        ({}, []),
        (dict(visualizer=None), []),
        (dict(visualizer=dict(type='Visualizer')), []),
        (config(OWN, dict(type='mmengine.LocalVisBackend')), []),
        (config(OWN, OTHER), ['TensorboardVisBackend']),
        (config(dict(type='mine.WandbVisBackend')), ['mine.WandbVisBackend']),
    ],
)
def test_backends_beside_mmengines_own(given, others):
    assert other_backends(given) == others


def test_a_runner_that_tests_has_mmengines_own_alone():
    cfg = Config(config(OWN, OTHER))
    leave_to_trainings(cfg)
    assert cfg.visualizer.to_dict() == config(OWN)['visualizer']
    plain = Config(dict(visualizer=None))
    leave_to_trainings(plain)
    assert plain.visualizer is None


def runner_with(*closes):
    """A runner with backends that are closed by these functions."""
    backends = {f'backend {number}': SimpleNamespace(close=close) for number, close in enumerate(closes)}
    return SimpleNamespace(visualizer=SimpleNamespace(_vis_backends=backends))


def written(tmp_path):
    made = tmp_path / 'run' / '20260101_000000' / 'vis_data'
    made.mkdir(parents=True)
    (made / 'events').write_text('curve')
    return made


def test_files_of_other_backends_move_to_the_result_once_they_are_closed(tmp_path):
    made = written(tmp_path)
    keep_vis_data(runner_with(lambda: (made / 'tail').write_text('flushed')), config(OWN, OTHER), tmp_path)
    assert {path.name for path in (tmp_path / 'vis_data').iterdir()} == {'events', 'tail'} and not made.exists()


def test_mmengines_own_files_stay_where_they_are_dropped(tmp_path):
    made = written(tmp_path)
    keep_vis_data(SimpleNamespace(), config(OWN), tmp_path)
    assert made.exists() and not (tmp_path / 'vis_data').exists()


def test_a_backend_that_cannot_be_closed_costs_nothing_of_the_others(tmp_path, capsys):
    def gone():
        raise ConnectionError('the server is gone')

    made = written(tmp_path)
    keep_vis_data(runner_with(gone, lambda: (made / 'tail').write_text('flushed')), config(OTHER), tmp_path)
    assert {path.name for path in (tmp_path / 'vis_data').iterdir()} == {'events', 'tail'}
    assert 'the server is gone' in capsys.readouterr().err


def test_a_run_of_weights_and_biases_is_finished(tmp_path):
    """mmengine's backend calls ``wandb.join``, which wandb no longer has; the run would go on writing its files."""
    written(tmp_path)
    done = []
    backend = WandbVisBackend.__new__(WandbVisBackend)
    backend._wandb = SimpleNamespace(finish=lambda: done.append('finished'))
    with pytest.raises(AttributeError):
        backend.close()
    runner = SimpleNamespace(visualizer=SimpleNamespace(_vis_backends=dict(WandbVisBackend=backend)))
    keep_vis_data(runner, config(OTHER), tmp_path)
    assert done == ['finished']


def test_links_to_files_elsewhere_are_no_part_of_the_result(tmp_path):
    made = written(tmp_path)
    (tmp_path / 'cache.log').write_text('written by another process')
    (made / 'logs').mkdir()
    (made / 'logs' / 'core.log').symlink_to(tmp_path / 'cache.log')
    (made / 'logs' / 'absolute').symlink_to(made / 'events')  # leads nowhere once the folder has moved
    (made / 'latest').symlink_to('events')
    keep_vis_data(runner_with(), config(OTHER), tmp_path)
    kept = {path.relative_to(tmp_path / 'vis_data').as_posix() for path in (tmp_path / 'vis_data').rglob('*')}
    assert kept == {'events', 'latest', 'logs'} and (tmp_path / 'cache.log').exists()
