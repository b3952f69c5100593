"""The numbers of the inputs: the same ones first, then those of a search, which ends in time."""

import sys

import pytest

FOLDER = 'labels'


@pytest.mark.parametrize('begins', [None, '70'])
def test_a_search_goes_on_from_its_number_and_ends_in_time(inputs, monkeypatch, begins):
    module = sys.modules[type(inputs).__module__]
    for name, value in dict(INPUTS=2, FROM=begins, SEARCH_S=0.02).items():
        monkeypatch.setattr(module, name, value)
    drawn = {number: rng.random() for number, rng in inputs.numbered()}
    numbers = list(drawn)
    assert numbers[:2] == [0, 1] and numbers[2:] == list(range(70, 70 + len(numbers[2:])))
    assert (len(numbers) > 3) == (begins is not None)
    again = {number: rng.random() for number, rng in inputs.numbered()}
    assert all(drawn[number] == value for number, value in again.items() if number in drawn)
