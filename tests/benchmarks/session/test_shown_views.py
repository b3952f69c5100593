"""One sentence for each set of views that a training shows completely; none for a set that has a view of its own."""

from types import SimpleNamespace

import pytest

from benchmarks.session import shown_views

PLAIN = dict(identity=dict(type='I'))
TRAIN = dict(dataset=dict(pipeline=[dict(type='Mirror')]))


def row(**views):
    loaders = dict(train_dataloader=TRAIN, test_dataloader=dict(dataset={}))
    return dict(inference=dict(views=PLAIN | views), **loaders)


@pytest.fixture
def warned(monkeypatch, tmp_path):
    """The warnings of some rows, if the training shows the views whose names begin with an h."""

    def compare(wanted, prepare, launcher):
        return {
            name: dict(views={view: view[0] == 'h' for view in shown.views}, by=['Mirror'])
            for name, (shown, _) in wanted.items()
        }

    monkeypatch.setattr(shown_views, 'measured', compare)

    def warnings(**rows):
        code = SimpleNamespace(modules_reached=lambda part: {})
        stacks = SimpleNamespace(unpaired={(name,): of for name, of in rows.items()}, techniques={}, code=code)
        baseline = SimpleNamespace(with_protocol=dict(inference=dict(views=PLAIN)))
        return shown_views.shown_view_warnings(stacks, baseline, tmp_path, None)

    return warnings


def test_views_that_training_shows_are_told_once(warned):
    (text,) = warned(plain=row(), flips=row(hflip=dict(type='F')), more=row(hflip=dict(type='F')))
    assert text.startswith(
        "the training of the row 'flips' shows all of its test-time views already (hflip, by Mirror)"
    )


def test_one_view_that_training_does_not_show_is_enough(warned):
    assert warned(flips=row(hflip=dict(type='F'), vflip=dict(type='F'))) == []
