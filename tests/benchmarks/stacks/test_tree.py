import copy
import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import ConfigDict

from benchmarks.stacks import tree
from benchmarks.stacks.tree import copied, map_tree, mappings, walk

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=20,
)
CONTAINERS = (dict, list, tuple)


def unchanged(node):
    return node


def types(node):
    """The tree with each leaf replaced by its type, and each container by (type, its elements)."""
    if isinstance(node, dict):
        return dict, {key: types(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return type(node), [types(value) for value in node]
    return type(node)


def containers(node):
    return [value for _, value in walk(node) if isinstance(value, CONTAINERS)]


def at(node, path):
    for step in path:
        node = node[step]
    return node


@given(TREES)
def test_the_identity_gives_an_equal_tree_of_the_same_types(node):
    mapped = map_tree(node, unchanged)
    assert mapped == node and types(mapped) == types(node)


@given(TREES)
def test_no_container_of_the_result_is_one_of_the_input(node):
    before = {id(value) for value in containers(node) if value != ()}  # Python has one empty tuple
    assert not before & {id(value) for value in containers(map_tree(node, unchanged))}


@given(TREES)
def test_the_input_is_never_mutated(node):
    kept = copy.deepcopy(node)

    def emptied(part):
        if not isinstance(part, tuple):
            part.clear()
        return part

    map_tree(node, emptied)
    assert node == kept


@given(TREES)
def test_change_is_called_once_for_each_container(node):
    seen = []
    map_tree(node, lambda part: seen.append(part) or part)
    assert len(seen) == len(containers(node)) and all(isinstance(part, CONTAINERS) for part in seen)


@given(TREES)
def test_two_changes_in_turn_are_one_change_made_of_both(node):
    def first(part):
        return {**part, 'a': 1} if isinstance(part, dict) else part

    def second(part):
        return {**part, 'a': part.get('a', 0) + 1} if isinstance(part, dict) else part

    assert map_tree(map_tree(node, first), second) == map_tree(node, lambda part: second(first(part)))


def test_the_innermost_is_changed_first():
    order = []

    def noted(part):
        order.append(part['name'])
        return {**part, 'names': [*order]}

    outer = map_tree(dict(name='outer', inner=dict(name='inner')), noted)
    assert order == ['inner', 'outer'] and outer['inner']['names'] == ['inner']


def test_what_change_returns_is_not_walked_again():
    grown = map_tree(dict(a={}), lambda part: dict(part, b=dict(c={})) if 'b' not in part else part)
    assert grown == dict(a=dict(b=dict(c={})), b=dict(c={}))


def test_elements_are_dropped_by_the_list_that_holds_them():
    def without_annotations(part):
        return [item for item in part if item != dict(type='LoadAnnotations')] if isinstance(part, list) else part

    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
    assert map_tree(dict(pipeline=pipeline), without_annotations) == dict(pipeline=[dict(type='LoadImageFromFile')])
    assert len(pipeline) == 2


def test_a_node_that_counts_as_one_is_given_as_it_is_and_not_entered():
    reference = dict(_from_='a.b', _else_=dict(_from_='c'))
    seen = []

    def change(part):
        seen.append(part)
        return 'value' if '_from_' in part else part

    assert map_tree(dict(x=reference), change, as_one=lambda part: '_from_' in part) == dict(x='value')
    assert seen == [reference, dict(x='value')]


def test_any_mapping_becomes_a_plain_dict():
    mapped = map_tree(ConfigDict(model=dict(heads=[dict(type='FCNHead')])), unchanged)
    assert type(mapped) is type(mapped['model']) is type(mapped['model']['heads'][0]) is dict


def test_values_that_are_no_part_of_a_tree_are_kept():
    value = object()
    assert map_tree(dict(a=[value]), unchanged)['a'][0] is value and map_tree(value, unchanged) is value


@given(TREES)
def test_each_path_leads_to_its_value(node):
    places = list(walk(node))
    assert all(at(node, path) is value for path, value in places)
    assert places[0] == ((), node) and len({path for path, _ in places}) == len(places)


@given(TREES)
def test_every_leaf_is_walked_to(node):
    def count(part):
        items = part.values() if isinstance(part, dict) else part
        return sum(map(count, items)) if isinstance(part, CONTAINERS) else 1

    assert sum(not isinstance(value, CONTAINERS) for _, value in walk(node)) == count(node)


def test_a_path_may_begin_elsewhere():
    assert dict(walk([5], ('model', 'heads'))) == {('model', 'heads'): [5], ('model', 'heads', 0): 5}


@given(TREES)
def test_mappings_are_the_dicts_of_a_walk_in_the_same_order(node):
    expected = [value for _, value in walk(node) if isinstance(value, dict)]
    assert [id(value) for value in mappings(node)] == [id(value) for value in expected]


@given(TREES)
def test_a_copy_is_equal_and_shares_no_container(node):
    copy_of = copied(node)
    assert copy_of == node and types(copy_of) == types(node)
    before = {id(value) for value in containers(node) if isinstance(value, (dict, list))}
    assert not before & {id(value) for value in containers(copy_of)}


@pytest.mark.parametrize('value', [{1, 2}, bytearray(b'ab'), (dict(a=1),)])
def test_leaves_of_other_types_are_copied_too(value):
    copy_of = copied(dict(a=value))['a']
    assert copy_of == value and copy_of is not value


def test_the_examples_of_the_docstrings_hold():
    assert doctest.testmod(tree).attempted == 3 and doctest.testmod(tree).failed == 0
