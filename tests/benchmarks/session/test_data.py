"""How many classes a model's heads predict."""

import pytest

from benchmarks.session.data import predicted_classes


@pytest.mark.parametrize(
    'head, number',
    [
        (dict(type='FCNHead', num_classes=3), 3),
        ([dict(num_classes=2), dict(num_classes=5)], 5),
        (dict(type='Wrapper', losses=[dict(type='X')], head=dict(num_classes=4)), 4),
        (dict(type='Headless'), None),
        ([], None),
        (None, None),
    ],
)
def test_the_last_head_or_the_wrapped_head_decides(head, number):
    assert predicted_classes(head) == number
