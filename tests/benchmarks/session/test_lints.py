"""All lints of a grid together; each is told once."""

from types import SimpleNamespace

import pytest

from benchmarks.session import lints

TEST = dict(type='D', data_root='x', data_prefix=dict(img_path='test'))


@pytest.fixture
def found(monkeypatch):
    """The lints of rows with these configs; arms are not compared."""
    monkeypatch.setattr(lints, 'confounder_warnings', lambda *_: [])
    monkeypatch.setattr(lints, 'shown_view_warnings', lambda *_: [])

    def find(**rows):
        stacks = SimpleNamespace(unpaired={(name,): config for name, config in rows.items()})
        return lints.find_lints(stacks, None, None, None, SimpleNamespace(cache=None), None)

    return find


def row(**parts):
    loaders = dict(test_dataloader=dict(dataset=TEST), val_dataloader=dict(dataset=TEST), val_cfg=dict())
    return dict(model=dict(), inference=dict(), train_dataloader=dict(dataset=dict()), **loaders, **parts)


def test_a_choice_on_the_test_images_is_told_once(found):
    stops = [dict(type='EarlyStoppingHook', monitor='mIoU')]
    (text,) = found(clean=row(), stopped=row(custom_hooks=stops), more=row(custom_hooks=stops))
    assert text.startswith("the row 'stopped' validates on the test images while it trains, and custom_hooks.0.monitor")
    assert 'the test images choose what they are to judge' in text


def test_a_best_checkpoint_is_not_the_one_that_is_tested(found):
    (text,) = found(best=row(default_hooks=dict(checkpoint=dict(save_best='mIoU'))))
    assert text.endswith('The grid tests the last checkpoint instead; leave that part out')
