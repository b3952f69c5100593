"""What there is to learn and to score in the masks of a split: errors, warnings, and their cures."""

import pytest

from benchmarks.data.card import make_card
from benchmarks.data.truth_checks import background_warning, truth_errors, truth_warnings

RETINA = dict(classes=('background', 'vessel'), background=0)


@pytest.fixture
def found(make_split):
    """(errors, warnings) of a split."""

    def find(**fields):
        split = make_split(**fields)
        card = make_card(split)
        return truth_errors(split, card), truth_warnings(split, card)

    return find


@pytest.mark.parametrize('name, effect', [('train', 'nothing can be learned'), ('test', 'nothing can be scored')])
def test_masks_of_0_and_255_are_an_error_with_the_cure_for_these_values(found, name, effect):
    (error,), warnings = found(labels=(0, 255), name=name, **RETINA)
    assert error.startswith(f"{name} data: class 1 'vessel' occurs in none of the 5 masks, so {effect}")
    assert "0 (50.0% of the pixels, class 0 'background'), 255 (50.0% of the pixels, void)" in error
    assert 'write 1 into the mask files' in error and 'label_map={255: 1}' in error
    assert warnings == []


def test_the_same_values_with_a_label_map_are_right(found):
    assert found(labels=(0, 255), label_map={255: 1}, **RETINA) == ([], [])
    assert found(labels=(0, 1, 255), **RETINA) == ([], [])


def test_images_that_a_teacher_labels_need_no_truth(found):
    assert found(labels=(0, 255), name='unlabelled', **RETINA) == ([], [])


def test_a_split_that_is_void_throughout_is_an_error(found):
    (error,), _ = found(labels=(255,), **RETINA)
    assert 'every pixel of every mask is void' in error and '255 is void' in error
    (error,), _ = found(labels=(0,), reduce_zero_label=True)
    assert 'reduce_zero_label=True makes 0 void' in error


def test_background_alone_is_an_error_and_says_what_the_masks_hold(found):
    (error,), _ = found(labels=(0,), **RETINA)
    assert 'The masks hold 0 (100.0% of the pixels' in error and 'out of metainfo.classes' in error


def test_without_a_declared_background_one_class_alone_cannot_be_trained_and_may_be_tested(found):
    (error,), _ = found(labels=(0,), classes=('sky', 'road'))
    assert "class 1 'road' occurs in none" in error
    errors, (warning,) = found(labels=(0,), classes=('sky', 'road'), name='test')
    assert errors == [] and "class 1 'road' occurs in none" in warning


def test_one_of_many_classes_that_is_absent_is_a_warning(found):
    three = dict(classes=('background', 'healthy', 'ill'), background=0)
    errors, (warning,) = found(labels=(0, 1), **three)
    assert errors == [] and "train data: class 2 'ill' occurs in none of the 5 masks: nothing can be learned" in warning
    _, (warning,) = found(labels=(0, 1), name='test', **three)
    assert 'mDice and mIoU are undefined' in warning
    _, (warning,) = found(labels=(1, 2), name='test', **three)
    assert "class 0 'background'" in warning and 'undefined' not in warning
    _, warnings = found(labels=(0, 1, 255), **three)
    assert 'if it marks a class, let it become 2' in warnings[0]


def test_almost_all_void_is_a_warning(found):
    _, warnings = found(labels=(0, 1, *[255] * 46), **RETINA)
    assert any('% of the pixels are void' in text for text in warnings)
    assert found(labels=(0, 1, *[255] * 22), **RETINA) == ([], [])


def test_some_masks_of_0_and_255_among_others_are_a_warning(found):
    _, (warning,) = found(labels=((0, 1), (0, 1), (0, 255)), each=True, n=6, **RETINA)
    assert '2 of 6 masks hold 0 and 255 alone' in warning and 'let it become 1' in warning
    assert found(labels=((0, 1), (0, 1), (0, 1), (0, 1), (0, 255)), each=True, **RETINA) == ([], [])


def test_masks_without_a_scored_pixel_are_counted(found):
    _, (warning,) = found(labels=((0, 1), (255,)), each=True, n=4, **RETINA)
    assert '2 of 4 masks are void throughout' in warning


@pytest.mark.parametrize('name', ['background', '_background_', 'BG', 'back-ground'])
def test_a_class_called_background_asks_for_the_declaration(make_split, name):
    text = background_warning(make_split(classes=('cell', name), background_declared=False))
    assert f"class 1 is called '{name}'" in text and 'metainfo=dict(…, background=1)' in text
    assert 'counts as foreground' in text
    assert 'is taken for' in background_warning(
        make_split(classes=('cell', name), background_declared=False, background=1)
    )
    assert background_warning(make_split(classes=('cell', name), background=1)) is None
    assert background_warning(make_split(classes=('cell', 'foreground'), background_declared=False)) is None
