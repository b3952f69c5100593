"""Folds: whole groups, classes spread evenly, the same folds on every machine."""

from collections import Counter

import pytest

from benchmarks.data.folds import LEAVE_ONE_GROUP_OUT, divide, is_number_of_folds
from benchmarks.errors import BadInput


def test_each_fold_has_whole_groups_and_about_as_many_images():
    groups = [f'patient{n // 4}' for n in range(80)]
    folds = divide(groups, [{0}] * 80, 5)
    assert all(len({fold for fold, group in zip(folds, groups) if group == name}) == 1 for name in groups)
    assert Counter(folds) == dict.fromkeys(range(5), 16)


def test_a_rare_class_is_in_the_test_of_every_fold():
    groups = [f'g{n:02}' for n in range(40)]
    labels = [{0, 1} if n < 5 else {0} for n in range(40)]  # in five neighbouring groups of forty
    folds = divide(groups, labels, 5)
    assert sorted(fold for fold, of in zip(folds, labels) if 1 in of) == [0, 1, 2, 3, 4]
    assert Counter(folds) == dict.fromkeys(range(5), 8)


def test_two_rare_classes_are_spread_each():
    labels = [{0, *({1} if n % 13 == 0 else ()), *({2} if n % 7 == 0 else ())} for n in range(60)]
    folds = divide([f'g{n}' for n in range(60)], labels, 4)
    for label in (1, 2):
        of_folds = Counter(fold for fold, of in zip(folds, labels) if label in of)
        assert max(of_folds.values()) - min(of_folds.get(fold, 0) for fold in range(4)) <= 1


def test_unequal_groups_leave_no_fold_empty():
    groups = ['large'] * 90 + [f'small{n}' for n in range(4)]
    assert set(divide(groups, [{0}] * 94, 5)) == set(range(5))


def test_the_folds_follow_from_the_names_and_not_from_the_order_of_images():
    groups = [f'g{n // 2}' for n in range(30)]
    labels = [{n % 3} for n in range(30)]
    folds = dict(zip(enumerate(groups), divide(groups, labels, 3)))
    order = [*range(29, -1, -1)]
    turned = divide([groups[n] for n in order], [labels[n] for n in order], 3)
    assert {(n, groups[n]): fold for n, fold in zip(order, turned)} == folds
    renamed = [f'h{n // 2}' for n in range(30)]
    assert divide(renamed, labels, 3) != divide(groups, labels, 3)


def test_leave_one_group_out_tests_one_group_at_a_time():
    groups = ['b', 'a', 'b', 'c']
    assert divide(groups, [{0}] * 4, LEAVE_ONE_GROUP_OUT) == [1, 0, 1, 2]


@pytest.mark.parametrize(
    ('groups', 'folds', 'grouped', 'culprit', 'cure'),
    [
        (['a', 'b', 'b'], 3, True, '2 groups (a, b)', 'at most 2 folds'),
        (['a', 'b', 'c'], 5, False, '3 images', 'at most 3 folds'),
        (['a', 'a'], 2, True, '1 group (a)', 'take folds out'),
        (['a', 'a'], LEAVE_ONE_GROUP_OUT, True, 'one group (a)', "Correct 'group'"),
        (['a', 'b'], LEAVE_ONE_GROUP_OUT, False, 'declares none', 'a number of folds'),
    ],
)
def test_too_few_groups_are_refused_by_name(groups, folds, grouped, culprit, cure):
    with pytest.raises(BadInput) as error:
        divide(groups, [{0}] * len(groups), folds, grouped=grouped)
    assert culprit in str(error.value) and cure in str(error.value)


def test_a_number_of_folds():
    assert is_number_of_folds(2) and is_number_of_folds(LEAVE_ONE_GROUP_OUT)
    assert not any(map(is_number_of_folds, (1, 0, True, 2.0, '5', None)))
