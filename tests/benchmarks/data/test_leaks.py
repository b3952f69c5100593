from dataclasses import replace

import pytest

from benchmarks.data.leaks import leak_notes, refuse_choice_on_training, refuse_selection_on_test
from benchmarks.errors import BadInput


def test_separate_images_leave_no_note(make_split):
    assert leak_notes([make_split(name, seed=i, name=name) for i, name in enumerate(('train', 'val', 'test'))]) == []


def test_both_ends_of_a_leak_are_named(make_split):
    train, test = make_split('train', seed=0), make_split('test', seed=1, name='test')
    leaked = replace(
        test,
        images=[*test.images, train.images[3], train.images[0]],
        masks=[*test.masks, train.masks[3], train.masks[0]],
        names=[*test.names, 'leak', 'other'],
        groups=[*test.groups, 'leak', 'other'],
    )
    (note,) = leak_notes([train, leaked])
    assert note.startswith('train and test share 2 image(s)') and '(test leak = train 3, test other = train 0)' in note
    assert leak_notes([leaked, train]) == [note]  # whatever the order in which stacks name them


def test_test_images_that_a_teacher_labels_are_noted_and_training_images_are_not(make_split):
    train, test = make_split('train', seed=0), make_split('test', seed=1, name='test')
    assert leak_notes([train, replace(train, name='unlabelled'), test]) == []
    (note,) = leak_notes([train, test, replace(test, name='unlabelled')])
    assert note.startswith('unlabelled and test share 5 image(s)') and 'and 2 more' in note


def test_splits_of_one_name_are_not_compared_and_a_note_comes_once(make_split):
    train, test = make_split('train', seed=0), make_split('train', seed=0, name='test')
    assert len(leak_notes([train, train, test])) == 1


def test_validating_on_the_test_images_is_noted(make_split):
    train, test = make_split('train', seed=0), make_split('test', seed=1, name='test')
    (note,) = leak_notes([train, replace(test, name='val'), test])
    assert 'val and test are the same images' in note and 'last checkpoint' in note


def test_a_patient_in_two_splits_is_noted_when_the_data_set_names_groups(make_split):
    train, test = make_split('train', seed=0), make_split('test', seed=1, name='test')
    assert leak_notes([train, test]) == []
    train = replace(train, grouped=True, groups=['p1', 'p1', 'p2', 'p2', 'p3'])
    (note,) = leak_notes([train, replace(test, grouped=True, groups=['p3', 'p4', 'p4', 'p5', 'p5'])])
    assert 'share 1 group(s) (p3)' in note


def test_values_may_not_be_chosen_on_test_images(make_split):
    val, test = make_split('val', seed=0, name='val'), make_split('test', seed=1, name='test')
    refuse_selection_on_test([val, test])
    leaked = replace(val, images=[*val.images[1:], test.images[2]], names=[*val.names[1:], 'leak'])
    with pytest.raises(BadInput, match=r'val and test share 1 image.*\(test 2 = val leak\).*chosen on the test. Take'):
        refuse_selection_on_test([test, leaked])


def test_nor_on_images_of_its_groups(make_split):
    val, test = make_split('val', seed=0, name='val'), make_split('test', seed=1, name='test')
    val = replace(val, grouped=True, groups=['p1', 'p1', 'p2', 'p2', 'p3'])
    test = replace(test, grouped=True, groups=['p3', 'p4', 'p4', 'p5', 'p5'])
    with pytest.raises(BadInput, match=r'val and test share 1 group\(s\) \(p3\): values that are chosen on val'):
        refuse_selection_on_test([val, test])


def test_values_of_a_training_may_not_be_chosen_on_its_images(make_split):
    train, val = make_split('train', seed=0), make_split('val', seed=1, name='val')
    refuse_choice_on_training([train, val])
    leaked = replace(val, images=[*val.images[1:], train.images[2]], names=[*val.names[1:], 'leak'])
    with pytest.raises(
        BadInput, match=r'train and val share 1 image.*\(val leak = train 2\).*learn them by heart. Take'
    ):
        refuse_choice_on_training([train, leaked])
