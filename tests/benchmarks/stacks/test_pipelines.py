import copy

from benchmarks.stacks.pipelines import without_masks

IMAGE, MASK, RESIZE = dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='Resize', scale=(8, 8))


def test_masks_are_loaded_nowhere_and_all_else_stays():
    config = dict(
        train=dict(dataset=dict(datasets=[dict(pipeline=[IMAGE, MASK, RESIZE])])),
        test=dict(pipeline=(IMAGE, dict(type='Either', transforms=[[MASK], [RESIZE, MASK]]))),
    )
    before = copy.deepcopy(config)
    assert without_masks(config) == dict(
        train=dict(dataset=dict(datasets=[dict(pipeline=[IMAGE, RESIZE])])),
        test=dict(pipeline=(IMAGE, dict(type='Either', transforms=[[], [RESIZE]]))),
    )
    assert config == before


def test_a_pipeline_alone_will_do():
    assert without_masks([IMAGE, MASK]) == [IMAGE] and without_masks([IMAGE]) == [IMAGE]


def test_loaders_of_masks_of_ones_own_are_told_by_their_names():
    for name in ('LoadNumpyMask', 'my_lab.loading.LoadSegMapFromZarr', 'LoadBiomedicalAnnotation'):
        assert without_masks([IMAGE, dict(type=name)]) == [IMAGE]
    for name in ('LoadNumpy', 'LoadImageAndMask', 'MaskBorder'):
        assert without_masks([dict(type=name)]) == [dict(type=name)]
