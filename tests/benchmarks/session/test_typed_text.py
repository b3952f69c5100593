"""Text where the baseline has a number, a list or a switch."""

import pytest

from benchmarks.errors import BadInput
from benchmarks.session.typed_text import refuse_text_for_numbers

CONFIG = dict(train_cfg=dict(max_iters=10), model=dict(std=[1.0, 2.0], name='1', flip=True), schedule=[dict(power=0.9)])


def test_numbers_lists_and_switches_as_text_are_refused_at_once():
    given = {'train_cfg.max_iters': '12', 'model.std': '[1, 2, 3]', 'model.flip': 'False', 'schedule.0.power': '1e-3'}
    with pytest.raises(BadInput) as refused:
        refuse_text_for_numbers(given, CONFIG)
    first, second, *others = refused.value.args
    assert "--cfg-options train_cfg.max_iters: '12' is text, and the baseline has 10 there" in first
    assert first.endswith('train_cfg.max_iters=12') and second.endswith('model.std=[1,2,3]') and len(others) == 2


def test_text_stays_where_the_baseline_has_text_or_nothing():
    good = {'model.name': '2', 'new': '3', 'schedule.7.power': '1', 'train_cfg.max_iters': 12, 'model.std': 'many'}
    refuse_text_for_numbers(good, CONFIG)
    with pytest.raises(BadInput) as refused:  # among them one that is refused, and no other
        refuse_text_for_numbers(good | {'schedule.0.power': '1'}, CONFIG)
    (only,) = refused.value.args
    assert 'schedule.0.power' in only
