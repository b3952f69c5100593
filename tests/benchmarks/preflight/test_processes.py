"""Trainings in several processes that would compute something else than one process."""

from pathlib import Path

import pytest

from benchmarks.errors import BadInput
from benchmarks.preflight.builds import BuiltOnce
from benchmarks.preflight.legality import Registries
from benchmarks.preflight.processes import check_processes
from benchmarks.stacks.compose import load_config, strip_helpers
from benchmarks.stacks.processes import trained_by

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'


@pytest.fixture(scope='module')
def small():
    Registries()  # as every check before a run has them
    return strip_helpers(load_config(CONFIGS / 'baselines' / 'unet_small_icbm152.py'))


def with_norm(config, **norm):
    model = config['model']
    backbone, head = ({**model[part], 'norm_cfg': norm} for part in ('backbone', 'decode_head'))
    return config | dict(model=model | dict(backbone=backbone, decode_head=head))


def test_batch_norm_that_nothing_synchronises_is_refused(small):
    check_processes(small, 'baseline', BuiltOnce())
    check_processes(trained_by(small, 2, 'cuda'), 'baseline', BuiltOnce())
    with pytest.raises(
        BadInput, match=r'^baseline: \d+ layers of batch norm \(backbone.* see 1/2 of the batch'
    ) as refused:
        check_processes(trained_by(small, 2, 'cpu'), 'baseline', BuiltOnce())
    assert "norm_cfg=dict(type='GN'" in str(refused.value)


@pytest.mark.parametrize('norm', [dict(type='GN', num_groups=4), dict(type='IN')])
def test_norms_without_statistics_of_the_batch_are_fine(small, norm):
    check_processes(trained_by(with_norm(small, **norm), 2, 'cpu'), 'baseline', BuiltOnce())


def test_an_uneven_batch_is_refused_before_anything_is_built(small):
    with pytest.raises(BadInput, match='baseline: --processes-per-training 7 cannot share'):
        check_processes(trained_by(small, 7, 'cuda'), 'baseline', lambda *given: pytest.fail('built'))
