import pytest

from benchmarks.data.dataset_configs import lists_same_images

ONE = dict(type='D', data_root='x', data_prefix=dict(img_path='test'), ann_file='a.txt', pipeline=[1])


@pytest.mark.parametrize(
    'changed, same',
    [
        (dict(pipeline=[2], metainfo=dict(classes=('a',)), test_mode=True), True),
        (dict(data_prefix=dict(img_path='val')), False),
        (dict(ann_file='b.txt'), False),
        (dict(split='val'), False),
    ],
)
def test_pipelines_and_names_do_not_decide_which_images_are_listed(changed, same):
    assert lists_same_images(ONE, ONE | changed) is same
    wrapped = dict(type='W', dataset=ONE | changed, pipeline=[3])
    assert lists_same_images(wrapped, ONE) is same
