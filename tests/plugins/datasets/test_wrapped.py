"""What data sets are made of, on stand-ins of each shape that mmengine and mmseg have."""

from types import SimpleNamespace

from plugins.datasets.wrapped import transforms_of, void_label, wrapped


def test_what_is_wrapped():
    one, other = object(), object()
    assert wrapped(SimpleNamespace()) == [] == wrapped(SimpleNamespace(dataset=None))
    assert wrapped(SimpleNamespace(dataset=one)) == [one]
    assert wrapped(SimpleNamespace(datasets=[one, other])) == [one, other]


def test_transforms_are_the_very_list_so_that_it_can_be_changed():
    transforms = ['flip']
    assert transforms_of(SimpleNamespace(pipeline=transforms)) is transforms
    assert transforms_of(SimpleNamespace(pipeline=SimpleNamespace(transforms=transforms))) is transforms
    assert transforms_of(SimpleNamespace()) is None


def test_the_void_label_is_the_data_sets_own_inside_any_wrapper():
    leaf = SimpleNamespace(ignore_index=254)
    assert void_label(leaf) == void_label(SimpleNamespace(dataset=SimpleNamespace(datasets=[leaf]))) == 254
    assert void_label(SimpleNamespace()) == 255
