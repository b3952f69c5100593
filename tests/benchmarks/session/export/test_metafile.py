"""``metafile.yaml`` has the fields that mmsegmentation's own files have, and the scores of the exported cell."""

from pathlib import Path

import mmseg
import numpy as np
import pytest
import yaml

from benchmarks import record
from benchmarks.analysis.counts import read_counts
from benchmarks.analysis.scores import score
from benchmarks.session.export.metafile import architecture, metafile

ZOO = Path(mmseg.__file__).parent / '.mim' / 'configs'
CELL = 'attention+loss__seed1'
CONFIG = dict(
    model=dict(backbone=dict(type='UNet'), decode_head=[dict(type='FCNHead'), dict(type='PointHead')]),
    train_dataloader=dict(batch_size=4),
)
FILES = dict(README='README.md', Config='config.py', Weights='checkpoint.pth')


def shape(value):
    """The fields of a value of YAML, each with the kinds of its values; of a list those of all its elements."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list):
        fields = [part for part in value if isinstance(part, dict)]
        return [{name: shape(part) for one in fields for name, part in one.items()}] if fields else list
    return 'number' if isinstance(value, (int, float)) else type(value)


def beyond(found, known, place=''):
    """The places of fields that are not known, or of another kind; metrics have any names."""
    if place.endswith('.Metrics'):
        return [place for kind in found.values() if kind != 'number']
    if isinstance(found, list) and isinstance(known, list):
        return beyond(found[0], known[0], f'{place}[]')
    if isinstance(found, dict) and isinstance(known, dict):
        parts = [beyond(part, known.get(name), f'{place}.{name}') for name, part in found.items()]
        return [one for part in parts for one in part]
    return [] if found == known else [place]


@pytest.fixture(scope='module')
def text(synthetic_out):
    one = next(one for one in record.read_records(synthetic_out) if one['cell'] == CELL)
    return metafile(synthetic_out, one, CONFIG, FILES)


def test_the_fields_are_those_of_mmsegmentations_own_file(text):
    real = yaml.safe_load((ZOO / 'unet' / 'metafile.yaml').read_text())
    own = yaml.safe_load(text)
    assert beyond(shape(own), shape(real)) == []
    required = {name for name in real['Models'][0] if all(name in model for model in real['Models'])}
    assert required - set(own['Models'][0]) <= {'Paper', 'Code', 'Training log'}
    assert own['Models'][0]['In Collection'] == own['Collections'][0]['Name']


def test_a_field_that_mmsegmentation_has_not_would_be_found():
    known = shape(dict(Models=[dict(Name='a', Results=dict(Metrics=dict(mIoU=1)))]))
    assert beyond(shape(dict(Models=[dict(Nmae='a')])), known) == ['.Models[].Nmae']
    assert beyond(shape(dict(Models=[dict(Name=3)])), known) == ['.Models[].Name']
    assert beyond(shape(dict(Models=[dict(Results=dict(Metrics=dict(mIoU='high')))])), known) == [
        '.Models[].Results.Metrics'
    ]


def test_the_scores_are_those_of_the_cell(text, synthetic_out):
    (model,) = yaml.safe_load(text)['Models']
    cell = read_counts(synthetic_out).cells[CELL]
    metrics = model['Results']['Metrics']
    assert metrics['mIoU'] == round(score('miou', cell, np.array([1, 2])), 2) and len(metrics) == 7
    assert metrics['Dice (mean of images)'] == round(score('dice', cell, np.array([1, 2])), 2)
    assert model['Name'] == CELL and model['Metadata']['Batch Size'] == 4
    assert model['Metadata']['Memory (GB)'] == round(501 / 1024, 2)


def test_what_is_not_known_is_left_out(synthetic_out):
    one = next(one for one in record.read_records(synthetic_out) if one['cell'] == CELL)
    bare = metafile(synthetic_out, one | dict(train=one['train'] | dict(peak_mib=None)), {}, FILES)
    (model,) = yaml.safe_load(bare)['Models']
    assert not {'Memory (GB)', 'Batch Size'} & set(model['Metadata'])
    assert model['Metadata']['Architecture'] == ['attention', 'loss']


def test_the_architecture_is_the_parts_of_the_network():
    assert architecture(CONFIG) == ['UNet', 'FCNHead', 'PointHead'] and architecture({}) == []
