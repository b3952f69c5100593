import urllib.error

import pytest
import torch

from benchmarks.errors import BadInput
from benchmarks.preflight import initial_weights
from benchmarks.preflight.initial_weights import check_initial_weights, url_of, weights_named

URL = 'https://example.invalid/weights/net-1234.pth'


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    return tmp_path / 'checkpoints'


@pytest.fixture
def offline(monkeypatch):
    def refuse(request, timeout):
        raise urllib.error.URLError('no route')

    monkeypatch.setattr(initial_weights, 'urlopen', refuse)


def test_weights_are_found_wherever_a_config_names_them():
    config = dict(
        model=dict(
            pretrained='a.pth',
            backbone=dict(init_cfg=dict(checkpoint='b.pth')),
            decode_head=[dict(init_cfg=[dict(checkpoint='c.pth')])],
        ),
        load_from=None,
    )
    assert list(weights_named(config)) == [
        ('model.pretrained', 'a.pth'),
        ('model.backbone.init_cfg.checkpoint', 'b.pth'),
        ('model.decode_head.0.init_cfg.0.checkpoint', 'c.pth'),
    ]


def test_mmengines_short_names_stand_for_addresses():
    assert url_of(URL) == URL
    assert url_of('open-mmlab://resnet50_v1c').startswith('https://')
    assert url_of('weights/mine.pth') is None


def test_weights_out_of_reach_are_refused_with_the_file_to_put_there(hub, offline):
    config = dict(model=dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=URL))))
    with pytest.raises(BadInput, match='backbone.init_cfg.checkpoint.*net-1234.pth.*put it at .*=None'):
        check_initial_weights(config, 'the baseline')
    hub.mkdir()
    (hub / 'net-1234.pth').touch()
    check_initial_weights(config, 'the baseline')


def test_weights_within_reach_are_left_to_mmengine(hub, monkeypatch):
    asked = []

    class Answer:
        def close(self):
            asked.append('closed')

    monkeypatch.setattr(initial_weights, 'urlopen', lambda request, timeout: asked.append(request.full_url) or Answer())
    check_initial_weights(dict(model=dict(pretrained=URL)), 'it')
    assert asked == [URL, 'closed']


def test_a_file_that_is_not_there_is_refused(tmp_path):
    there = tmp_path / 'a.pth'
    there.touch()
    check_initial_weights(dict(load_from=str(there)), 'it')
    with pytest.raises(BadInput, match="'load_from' names the weights .*b.pth, a file that does not exist"):
        check_initial_weights(dict(load_from=str(tmp_path / 'b.pth')), 'it')


def test_a_config_without_weights_asks_nobody(monkeypatch):
    asked = []
    monkeypatch.setattr(initial_weights, 'urlopen', lambda request, timeout: asked.append(request.full_url))
    check_initial_weights(dict(model=dict(backbone=dict(type='ResNet')), load_from=None), 'it')
    assert asked == []
