"""Values of the wrong type in a data set's config: one message that names the key, in place of a traceback."""

import likeness
import pytest

from benchmarks.data.split import list_split
from benchmarks.errors import BadInput


@pytest.fixture(scope='module')
def nuclei(tmp_path_factory):
    return likeness.small_nuclei(tmp_path_factory.mktemp('nuclei'))


@pytest.fixture
def config(nuclei, tmp_path, monkeypatch):
    """``config(key=value, …)``: a data set's config with these values, in a current folder of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'configs').mkdir()
    (tmp_path / 'nuclei').write_text('a file')
    (tmp_path / 'classes.txt').write_text('background\nnucleus\n')
    base = dict(type='BaseSegDataset', data_root=str(nuclei), img_suffix='.png', seg_map_suffix='.png', pipeline=[])
    base |= dict(data_prefix=dict(img_path='img_dir/train', seg_map_path='ann_dir/train'))
    metainfo = dict(classes=('background', 'nucleus'))

    def make(**values):
        return base | values | dict(metainfo=metainfo | values.get('metainfo', {}))

    return make


@pytest.mark.parametrize(
    'values, message',
    [
        (dict(data_root=['/tmp/uni', 'co mma']), 'data_root is .*, not a text.*…data_root="\'/tmp/uni,co mma\'"'),
        (dict(data_prefix=dict(img_path=['a', 'b'])), r"data_prefix.img_path is \['a', 'b'\], not a text"),
        (dict(ann_file=['a.txt', 'b.txt']), 'ann_file is .*, not a text'),
        (dict(img_suffix=('.png', '.jpg')), 'img_suffix is .*BaseSegDataset takes one text. ImagesAndMasks'),
        (dict(seg_map_suffix=['.png']), 'seg_map_suffix is .*takes one text'),
        (dict(ignore_index='255'), "ignore_index is '255', not a whole number"),
        (dict(reduce_zero_label='False'), "reduce_zero_label is the text 'False', which counts as True"),
        (dict(metainfo=dict(dataset_name='configs')), "metainfo.dataset_name is 'configs', and a folder of that name"),
        (dict(metainfo=dict(dataset_name='nuclei')), "metainfo.dataset_name is 'nuclei', and a file of that name"),
        (dict(metainfo=dict(classes=2)), 'metainfo.classes is 2. Write their names'),
        (dict(metainfo=dict(classes=(0, 1))), r'metainfo.classes is \(0, 1\). Write their names'),
        (dict(data_prefix='img_dir'), "data_prefix is 'img_dir', not a dict"),
        (dict(metainfo=dict(classes='nucleus')), r"classes is the text 'nucleus', .* classes=\('nucleus',\)"),
    ],
)
@pytest.mark.parametrize('wrapped', [False, True])
def test_the_key_is_named(config, values, message, wrapped):
    dataset = config(**values)
    dataset = dict(type='RepeatDataset', times=2, dataset=dataset) if wrapped else dataset
    with pytest.raises(BadInput, match=f'train data: BaseSegDataset: .*{message}'):
        list_split('train', dataset)


def test_classes_may_stand_in_a_file(config):
    assert list_split('train', config(metainfo=dict(classes='classes.txt'))).classes == ('background', 'nucleus')
