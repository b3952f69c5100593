import pytest

from benchmarks.errors import BadInput
from benchmarks.stacks.references import Levels, looked_up, resolve, times

BASE = dict(model=dict(decode_head=[dict(num_classes=2), dict(num_classes=3)]), train_cfg=dict(max_iters=250), lr=0.01)
LEVELS = Levels(channels=[8, 16, 32], strides=[4, 8, 16])


def no_probe(config):
    raise AssertionError('nothing waits for a probe')


@pytest.mark.parametrize(
    'reference, expected',
    [
        (dict(_from_='train_cfg.max_iters'), 250),
        (dict(_from_='train_cfg.max_iters', _times_=0.1), 25),
        (dict(_from_='train_cfg.max_iters', _times_=0.001), 1),
        (dict(_from_='lr', _times_=0.5), 0.005),
        (dict(_from_='model.decode_head.num_classes'), 3),
        (dict(_times_=2), dict(_times_=2)),
        (dict(_from_='train_cfg.max_epochs', _else_=7), 7),
        (dict(_from_='train_cfg.max_iters', _else_=7), 250),
        ((64, 96), (64, 96)),
    ],
)
def test_a_value_is_taken_from_the_config_around(reference, expected):
    assert looked_up(dict(a=[dict(b=reference)]), BASE) == dict(a=[dict(b=expected)])


@pytest.mark.parametrize(
    'reference, message',
    [
        (
            dict(_from_='train_cfg.max_epochs'),
            "'train_cfg.max_epochs' is taken from the baseline, which has no such value",
        ),
        (dict(_from_='lr.high'), "'lr.high' is taken from the baseline"),
        (dict(_from_='model', _times_=2), "'model' is .* so it cannot be multiplied by 2"),
    ],
)
def test_what_the_baseline_lacks_is_refused(reference, message):
    with pytest.raises(BadInput, match=message):
        looked_up(dict(a=reference), BASE)


def test_a_config_without_probes_asks_for_none():
    assert resolve(BASE, BASE, no_probe) is BASE


def test_probes_are_answered_with_plain_lists():
    model = dict(backbone=dict(type='B'), decode_head=dict(in_index=-1), auxiliary_head=[dict(in_index=[0, 2])])
    neck = dict(in_channels=dict(_probe_='channels'), levels=dict(_probe_='levels_read'))
    head = dict(model['decode_head'], strides=dict(_probe_='strides'))
    resolved = resolve(dict(model=dict(model, neck=neck, decode_head=head)), dict(model=model), lambda bare: LEVELS)
    assert resolved['model']['neck'] == dict(in_channels=[8, 16, 32], levels=[0, 2])
    assert resolved['model']['decode_head'] == dict(in_index=-1, strides=[4, 8, 16])


def test_the_levels_read_are_those_of_the_heads_after_their_own_probes():
    model = dict(decode_head=dict(in_index=dict(_probe_='levels')))
    neck = dict(levels=dict(_probe_='levels_read'))
    resolved = resolve(dict(model=dict(model, neck=neck)), dict(model=model), lambda bare: LEVELS)
    assert resolved['model'] == dict(decode_head=dict(in_index=[0, 1, 2]), neck=dict(levels=[0, 1, 2]))


def test_multiples_of_lists_and_of_nothing():
    assert times([100, 200], dict(_times_=2), 'milestones') == [200, 400]
    assert times(0, dict(_times_=2), 'begin') == 0
    assert times(3, dict(_times_=0.1), 'n') == 1


@pytest.mark.parametrize(
    'head, expected',
    [
        (dict(type='H'), [2]),
        (dict(in_index=[0, 1]), [0, 1]),
        (dict(in_channels=[8, 16, 32]), [0, 1, 2]),
        (dict(in_index=-1, c1_in_channels=8), [0, 2]),
    ],
)
def test_levels_that_a_head_reads_by_default(head, expected):
    config = dict(model=dict(decode_head=head), a=dict(_probe_='levels_read'))
    assert resolve(config, config, lambda bare: LEVELS)['a'] == expected


def test_an_unknown_probe_is_refused_with_close_matches():
    with pytest.raises(BadInput, match="there is no probe 'chanels'; did you mean 'channels'"):
        resolve(dict(a=dict(_probe_='chanels')), dict(model=dict()), no_probe)


def test_a_multiple_of_nothing_is_refused():
    with pytest.raises(BadInput, match='there is nothing to multiply by 2'):
        resolve(dict(a=[dict(end=dict(_times_=2))]), dict(model=dict()), no_probe)
