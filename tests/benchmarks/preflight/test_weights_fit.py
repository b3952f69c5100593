"""Initial weights that do not fit: refused where nothing fits, a note where something stays random."""

import pytest
import torch
from mmseg.registry import MODELS

from benchmarks.errors import BadInput
from benchmarks.preflight.builds import BuiltOnce
from benchmarks.preflight.legality import Registries
from benchmarks.preflight.weights_fit import check_weights_fit

HEAD = dict(type='FCNHead', in_channels=4, in_index=0, channels=4, num_convs=1, num_classes=2)


@pytest.fixture(scope='module', autouse=True)
def registries():
    return Registries()


def model(num_classes=2, **backbone):
    stem = dict(type='UNet', base_channels=4, num_stages=2, strides=(1, 1), enc_num_convs=(1, 1), dec_num_convs=(1,))
    small = dict(downsamples=(True,), enc_dilations=(1, 1), dec_dilations=(1,))
    return dict(
        type='EncoderDecoder',
        backbone=stem | small | backbone,
        decode_head=HEAD | dict(in_channels=4, in_index=1, num_classes=num_classes),
        test_cfg=dict(mode='whole'),
    )


@pytest.fixture
def saved(tmp_path):
    """Writes a checkpoint of this content, and gives its path."""

    def write(content, name='weights.pth'):
        torch.save(content, tmp_path / name)
        return str(tmp_path / name)

    return write


def state(**changes):
    return MODELS.build(model(**changes)).state_dict()


def check(load_from=None, built=None, **changes):
    return check_weights_fit(dict(model=model(**changes), load_from=load_from), built or BuiltOnce())


def test_weights_that_fit_say_nothing(saved):
    assert check() == []
    assert check(saved(dict(state_dict=state()))) == []
    assert check(saved({f'module.{name}': value for name, value in state().items()})) == []


def test_a_file_of_which_nothing_fits_is_refused(saved, capfd):
    path = saved(dict(state_dict={'foo.weight': torch.zeros(3)}))
    with pytest.raises(BadInput) as refused:
        check(path)
    text = str(refused.value)
    assert text.startswith(f"'load_from' names the weights {path}, of which no entry fits the network: the file holds")
    assert capfd.readouterr() == ('', '')
    assert 'foo.weight' in text and 'backbone.encoder.0' in text and '--cfg-options load_from=None' in text


@pytest.mark.parametrize('rule', ['init_cfg', 'prefix', 'pretrained'])
def test_a_backbone_whose_weights_do_not_fit_is_refused(saved, rule):
    path = saved({'foo.weight': torch.zeros(3)})
    given = {
        'init_cfg': dict(init_cfg=dict(type='Pretrained', checkpoint=path)),
        'prefix': dict(init_cfg=dict(type='Pretrained', checkpoint=path, prefix='foo.')),
        'pretrained': dict(pretrained=path),
    }[rule]
    with pytest.raises(BadInput, match='model.backbone.*no entry fits the network.*--cfg-options model.backbone'):
        check(**given)


def test_what_stays_random_is_noted(saved):
    (note,) = check(saved(dict(state_dict=state())), num_classes=3)
    assert 'leave 2 of ' in note and 'of another shape: decode_head.conv_seg.weight 2×4×1×1 for 3×4×1×1' in note
    without = {name: value for name, value in state().items() if 'conv_seg' not in name}
    (note,) = check(saved(without, 'b.pth'))
    assert 'absent: decode_head.conv_seg.weight, decode_head.conv_seg.bias' in note


@pytest.mark.parametrize('content', [b'garbage\n', b'', b'PK\x03\x04 cut off'])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / 'bad.pth'
    path.write_bytes(content)
    with pytest.raises(BadInput, match="'load_from' names the weights .*bad.pth, which cannot be loaded: "):
        check(str(path))
    with pytest.raises(BadInput, match="'model.backbone.init_cfg.checkpoint' names the weights .*cannot be loaded: "):
        check(init_cfg=dict(type='Pretrained', checkpoint=str(path)))


def test_a_checkpoint_without_a_state_is_refused(saved):
    with pytest.raises(BadInput, match='cannot be loaded|no entry fits'):
        check(saved([1, 2, 3]))


class Planted:
    def __reduce__(self):
        return (print, ('executed',))


def test_nothing_of_a_file_is_executed(saved, capsys):
    """mmengine reads such a file by a pickle, so that nothing can be said of it."""
    assert check(saved(dict(state_dict=state(), extra=Planted()))) == []
    assert 'executed' not in capsys.readouterr().out


def test_weights_elsewhere_are_left_out():
    assert check(init_cfg=dict(type='Pretrained', checkpoint='https://example.invalid/a.pth')) == []


def test_each_file_is_compared_once(saved, monkeypatch):
    path, built = saved(dict(state_dict=state())), BuiltOnce()
    check(path, built)
    monkeypatch.setattr(MODELS, 'build', None)
    check(path, built)
