"""``model.test_cfg``: modes that do not exist, windows without a stride, windows with gaps."""

import pytest

from benchmarks.errors import BadInput
from benchmarks.preflight.legality import Registries
from benchmarks.preflight.windows import check_windows


@pytest.fixture(scope='module', autouse=True)
def registries():
    return Registries()


def check(**test_cfg):
    check_windows(dict(type='EncoderDecoder', test_cfg=test_cfg))


@pytest.mark.parametrize(
    'test_cfg, said',
    [
        (dict(mode='hole'), "'model.test_cfg.mode' is 'hole'; did you mean 'whole'"),
        (dict(mode='slide', crop_size=(64, 64)), "'model.test_cfg.stride' is None, .* such as stride=\\(64, 64\\)"),
        (dict(mode='slide', stride=(64, 64)), "'model.test_cfg.crop_size' is None"),
        (dict(mode='slide', crop_size=(64, 0), stride=(8, 8)), "'model.test_cfg.crop_size' is \\(64, 0\\)"),
        (dict(mode='slide', crop_size=64, stride=(8, 8)), "'model.test_cfg.crop_size' is 64"),
        (dict(mode='slide', crop_size=(64, 32), stride=(64, 48)), 'width of 32: .* give a stride of 32 at most'),
    ],
)
def test_what_would_fail_or_leave_gaps_is_refused(test_cfg, said):
    with pytest.raises(BadInput, match=said):
        check(**test_cfg)


def test_sound_settings_pass_and_so_do_models_with_an_inference_of_their_own():
    check()
    check(mode='whole')
    check(mode='slide', crop_size=[64, 32], stride=[64, 16])
    check_windows(dict(type='SegTTAModel', test_cfg=dict(mode='mine')))
    check_windows(dict(type='EncoderDecoder'))
