"""Files of vis_backends: a training keeps them, and what tests or measures never opens them."""

from types import SimpleNamespace

import pytest
from mmengine.config import Config

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


def written(tmp_path):
    made = tmp_path / 'run' / '20260101_000000' / 'vis_data'
    made.mkdir(parents=True)
    (made / 'events').write_text('curve')
    return made


def test_files_of_other_backends_move_to_the_result_once_they_are_closed(tmp_path):
    made = written(tmp_path)
    runner = SimpleNamespace(visualizer=SimpleNamespace(close=lambda: (made / 'tail').write_text('flushed')))
    keep_vis_data(runner, config(OWN, OTHER), tmp_path)
    assert {path.name for path in (tmp_path / 'vis_data').iterdir()} == {'events', 'tail'} and not made.exists()


def test_mmengines_own_files_stay_where_they_are_dropped(tmp_path):
    made = written(tmp_path)
    keep_vis_data(SimpleNamespace(), config(OWN), tmp_path)
    assert made.exists() and not (tmp_path / 'vis_data').exists()


def test_a_backend_that_cannot_be_closed_costs_nothing(tmp_path, capsys):
    def close():
        raise ConnectionError('the server is gone')

    written(tmp_path)
    keep_vis_data(SimpleNamespace(visualizer=SimpleNamespace(close=close)), config(OTHER), tmp_path)
    assert (tmp_path / 'vis_data' / 'events').exists() and 'the server is gone' in capsys.readouterr().err
