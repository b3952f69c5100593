from unittest.mock import MagicMock

import pytest

from benchmarks.session import grid_record
from benchmarks.session.grid_record import dataset_name, grid_content


def test_notes_and_all_warnings_stay_with_the_records(tmp_path, monkeypatch):
    monkeypatch.setattr(grid_record, 'source_of', lambda *_: {})
    experiment = MagicMock(notes=['a note'], schedule_warnings=['a short training'])
    experiment.request.stacks.layout.tuned_of = {}
    experiment.request.stacks.layout.validated = ()
    experiment.data.warnings = ('an odd mask',)
    assert grid_content(experiment, 'command', tmp_path)['notes'] == ['a note', 'an odd mask', 'a short training']


@pytest.mark.parametrize(
    'config, name',
    [
        (dict(type='BaseSegDataset', data_root='/x/my leaves/'), 'my leaves'),
        (dict(type='BaseSegDataset', data_root='/x/y', metainfo=dict(dataset_name='Leaves 2024')), 'Leaves 2024'),
        (dict(type='CityscapesDataset', data_prefix=dict(img_path='x')), 'CityscapesDataset'),
        (dict(type='A', data_root='.'), 'A'),
        (dict(type='RepeatDataset', times=2, dataset=dict(type='A', data_root='data/b')), 'b'),
        (dict(type='ConcatDataset', datasets=[dict(type='A', data_root='c'), dict(type='A', data_root='d')]), 'c'),
        (dict(), 'unknown'),
    ],
)
def test_a_data_set_is_called_as_its_config_says_or_as_its_folder(config, name):
    assert dataset_name(config) == name
