"""The data card has each split that decided something."""

import pytest

from benchmarks.reports.page.data_card import data_card

DATASET = dict(name='d', n_images=dict(train=64, test=96), fingerprint=dict(train='t' * 64, test='e' * 64))
CARD = dict(groups=16, classes=[dict(name='a', pixels=30, images=16)], values={'0': 120})


def test_validation_images_have_a_column_where_values_were_chosen_on_them():
    card = data_card(dict(dataset=DATASET, tuning=dict(n_images=16, fingerprint='v' * 64)))
    assert card.splits == ('', 'training', 'validation', 'test')
    assert card.facts[0] == ('images', '64', '16', '96') and card.facts[-1][2] == 'v' * 16
    assert card.chosen == 'Values were chosen on the validation images, which no test shows.'


def test_their_card_is_told_where_the_records_have_it():
    cards = dict(train=CARD | dict(groups=64), validation=CARD, test={})
    card = data_card(dict(dataset=DATASET | dict(cards=cards), n_validation_images=16))
    assert ('groups', '64', '16', '–') in card.facts
    assert card.class_head[1:] == (
        *('share of training pixels', 'training images', 'share of validation pixels', 'validation images'),
    )
    assert card.classes == [('a', '25 %', '16', '25 %', '16')]


def test_leaks_are_told_and_so_is_that_there_are_none_where_they_were_looked_for():
    leaks = ['test and train share 1 image']
    assert data_card(dict(dataset=DATASET | dict(leaks=leaks))).leaks == leaks
    (none,) = data_card(dict(dataset=DATASET | dict(leaks=[]))).leaks
    assert none.startswith('No image and no group was found in two splits')
    assert list(data_card(dict(dataset=DATASET)).leaks) == []  # earlier records do not say


@pytest.mark.parametrize('grid', [dict(dataset=DATASET), dict(dataset=DATASET, tuning={})])
def test_without_choices_there_are_two_splits(grid):
    card = data_card(grid)
    assert card.splits == ('', 'training', 'test') and card.chosen == '' and card.classes == []
