"""What a technique's field ``search`` may say; each mistake names the file and the key."""

import pytest

from benchmarks.errors import BadInput
from benchmarks.stacks.technique import read_technique

OVERLAY = dict(
    model=dict(decode_head=dict(loss_decode=dict(type='L', gamma=2))),
    test_dataloader=dict(batch_size=1),
    inference=dict(refine=dict(small=dict(order=1, type='S', size=8), large=dict(order=2, type='S', size=9))),
)


def read(folder, search):
    path = folder / 'bright.py'
    path.write_text(f"title = 'T'\ndescription = 'D'\noverlay = {OVERLAY!r}\nsearch = {search!r}\n")
    return read_technique(path).search


@pytest.mark.parametrize(
    'space',
    [
        {'small.size': [4, 8]},
        {'small.size': dict(low=1, high=64, log=True), 'large.size': dict(low=0.5, high=2.0)},
        {'inference.refine.small.new': ['a', 'b']},
        {'gamma': [1, 2], 'small.size': [4, 8]},
    ],
)
def test_parameters_of_refinements_and_of_trainings_may_be_searched(tmp_path, space):
    search = dict(space=space, trials=5, per='stack')
    assert read(tmp_path, search) == search


@pytest.mark.parametrize(
    'search, message',
    [
        ([], r'search is \[\]; give dict\(space'),
        (dict(trials=5), 'space is None; give dict'),
        (dict(space={'small.size': [4, 8]}), 'trials is None; give a number from 2 on'),
        (dict(space={'small.size': [4, 8]}, trials=1), 'trials is 1'),
        (dict(space={'small.size': [4, 8]}, trials=True), 'trials is True'),
        (dict(space={'small.size': [4, 8]}, trials=5, pre='seed'), "a field 'pre'; did you mean 'per'"),
        (dict(space={'small.size': [4, 8]}, trials=5, per='fold'), "per is 'fold'; give 'seed'"),
        (dict(space={'small.siez': [4, 8]}, trials=5, per='run'), "per is 'run'"),
        (dict(space={'smal.size': [4, 8]}, trials=5), "search: space: its overlay has no 'smal.size'"),
        (dict(space={'size': [4, 8]}, trials=5), "'size' may be inference.refine.small.size, inference.refine.large"),
        (
            dict(space={'batch_size': [1, 2]}, trials=5),
            r"space\['batch_size'\] is test_dataloader.batch_size, and a choice",
        ),
        (dict(space={'gamma': [1, 2]}, trials=5, steps=0), 'steps is 0; give the share of the schedule'),
        (dict(space={'gamma': [1, 2]}, trials=5, steps=1.5), 'steps is 1.5'),
        (dict(space={'gamma': [1, 2]}, trials=5, steps=[]), r'steps is \[\]'),
        (dict(space={'gamma': [1, 2]}, trials=5, steps=[0.3, 0.1]), r'steps is \[0.3, 0.1\]; .* rising shares'),
        (dict(space={'gamma': [1, 2]}, trials=5, steps=[0.3, True]), r'steps is \[0.3, True\]'),
        (dict(space={'small.size': [4, 8]}, trials=5, steps=0.5), 'steps is 0.5, but no key of the space is of a trai'),
        (dict(space={'small.size': [4, 8]}, trials=5, halving=1), 'halving is 1; give a whole number from 2 on'),
        (dict(space={'small.size': [4, 8]}, trials=5, halving=True), 'halving is True'),
        (
            dict(space={'gamma': [1, 2]}, trials=5, halving=3),
            'halving is 3, but no key of the space is of a refinement',
        ),
        (dict(space={'small.size': [4]}, trials=5), r"space\['small.size'\] is \[4\]; give two values or more"),
        (dict(space={'small.size': [4, 4]}, trials=5), r"space\['small.size'\] is \[4, 4\]"),
        (dict(space={'small': [dict(size=1), dict(size=2)]}, trials=5), r"space\['small'\] holds a dict; give numbers"),
        (dict(space={'small.size': 4}, trials=5), r"space\['small.size'\] is 4; give a list"),
        (dict(space={'small.size': dict(low=4)}, trials=5), r"space\['small.size'\] has low=4, high=None"),
        (dict(space={'small.size': dict(low=4, high=4)}, trials=5), 'has low=4, high=4; give two numbers'),
        (dict(space={'small.size': dict(low=0, high=4, log=True)}, trials=5), 'has log=True and low=0'),
        (dict(space={'small.size': dict(low=1, high=4, logg=1)}, trials=5), "a field 'logg'; did you mean 'log'"),
        (
            dict(space={'small.size': [4, 8], 'refine.small.size': [1, 2]}, trials=5),
            "space has 'small.size' and 'refine.small.size', which are one parameter",
        ),
    ],
)
def test_a_mistake_names_file_and_key(tmp_path, search, message):
    with pytest.raises(BadInput, match=message) as caught:
        read(tmp_path, search)
    assert all('bright.py: search' in mistake for mistake in caught.value.args)


def test_all_mistakes_are_told_at_once(tmp_path):
    with pytest.raises(BadInput) as caught:
        read(tmp_path, dict(space={'small.size': [4], 'batch_size': [1, 2]}, trials=0, par='seed'))
    assert len(caught.value.args) == 4
