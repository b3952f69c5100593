"""The disk space of predicted maps: each prediction has the size of its own data set."""

from types import SimpleNamespace

import pytest

from benchmarks.errors import BadInput
from benchmarks.files import digest
from benchmarks.plan.plan import Plan, Stage
from benchmarks.session.data import Data, DataSet
from benchmarks.session.disk import announced_maps, refuse_too_large_plan
from benchmarks.session.legality import Sizes

MIB = 2**20


def data_set(images, pixels):
    split = SimpleNamespace(images=['i'] * images, classes=('ground', 'blob'))
    return DataSet(split, f'{images}', None, pixels=pixels)


def experiment(*names, validation=(40, 100 * MIB)):
    """Predictions of the named data sets; 2 classes of 2 bytes per pixel."""
    sets = dict(test=data_set(10, 10 * MIB), fold=data_set(8, 9 * MIB), val=data_set(*validation))
    by_config = {digest(dict(name=name)): of for name, of in sets.items()}
    stages = [
        Stage('predict', f'{n}', (), n, '', dict(test_dataloader=dict(dataset=dict(name=name))), (), {})
        for n, name in enumerate(names)
    ]
    plan = Plan([], {one.key: one for one in stages}, {}, [])
    return SimpleNamespace(plan=plan, data=Data(by_config, sets['test'], sets['test']), sizes=Sizes())


def announced(one):
    return announced_maps(one, list(one.plan.stages), None)


def test_predictions_of_the_test_images_are_of_one_size():
    assert announced(experiment('test', 'test')) == [
        'predicted maps: at most 83.9 MB on disk (2 predictions of 10 images in 2 classes, 41.9 MB each before they '
        'are packed); --max-maps SIZE keeps fewer'
    ]


def test_predictions_of_validation_images_have_the_size_of_these():
    (line,) = announced(experiment('test', 'val'))
    assert 'at most 461 MB on disk (2 predictions of up to 40 images in 2 classes, up to 419 MB each' in line


def test_predictions_of_folds_have_the_size_of_their_fold():
    (line,) = announced(experiment('test', 'fold'))
    assert 'at most 79.7 MB on disk (2 predictions of up to 10 images in 2 classes, up to 41.9 MB each' in line


def test_no_prediction_is_announced_with_nothing():
    assert announced(experiment()) == []


def test_a_plan_whose_validation_maps_do_not_fit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr('shutil.disk_usage', lambda _: SimpleNamespace(free=500 * MIB))
    refuse_too_large_plan(experiment('test', 'test'), ['0', '1'], tmp_path, None, 1)
    with pytest.raises(BadInput, match='may write 640 MiB .* 500 MiB are free'):
        refuse_too_large_plan(experiment('test', 'val'), ['0', '1'], tmp_path, None, 1)
