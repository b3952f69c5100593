import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.errors import BadInput
from benchmarks.stacks.marks import clash, leaves
from benchmarks.stacks.merging import merge
from benchmarks.stacks.overlay import apply, wrap
from benchmarks.stacks.tree import copied

PIPELINE = [dict(type='Load'), dict(type='Flip'), dict(type='Pack')]


def types(items):
    return [item['type'] for item in items]


def test_merge_changes_a_leaf_and_keeps_its_neighbours():
    base = dict(model=dict(head=dict(type='A', channels=4)), seed=1)
    merged = merge(base, dict(model=dict(head=dict(channels=8))))
    assert merged == dict(model=dict(head=dict(type='A', channels=8)), seed=1)


def test_delete_replaces_the_dict_and_leaves_no_mark():
    base = dict(loss=dict(type='A', weight=1.0))
    assert merge(base, dict(loss=dict(_delete_=True, type='B'))) == dict(loss=dict(type='B'))
    assert merge(dict(), dict(loss=dict(inner=dict(_delete_=True, a=1)))) == dict(loss=dict(inner=dict(a=1)))


def test_a_dict_takes_the_place_of_a_scalar_or_none():
    assert merge(dict(clip=None), dict(clip=dict(max_norm=1.0))) == dict(clip=dict(max_norm=1.0))


def test_a_list_given_whole_replaces_the_list():
    assert merge(dict(steps=[1, 2, 3]), dict(steps=[9])) == dict(steps=[9])


def test_a_dict_that_meets_a_list_is_refused_with_the_cure():
    with pytest.raises(BadInput, match=r"'data.pipeline' is a list in the baseline; give dict\(_insert_="):
        merge(dict(data=dict(pipeline=PIPELINE)), dict(data=dict(pipeline=dict(prob=1))))


def test_an_overlay_means_the_last_head_of_a_cascade_and_every_auxiliary_head():
    base = dict(model=dict(decode_head=[dict(c=1), dict(c=2)], auxiliary_head=[dict(c=3), dict(c=4)]))
    merged = merge(base, dict(model=dict(decode_head=dict(d=0), auxiliary_head=dict(d=0))))
    assert merged['model'] == dict(
        decode_head=[dict(c=1), dict(c=2, d=0)], auxiliary_head=[dict(c=3, d=0), dict(c=4, d=0)]
    )


def test_delete_replaces_a_whole_cascade():
    base = dict(model=dict(decode_head=[dict(c=1), dict(c=2)]))
    overlay = dict(model=dict(decode_head=dict(_delete_=True, c=3)))
    assert merge(base, overlay) == dict(model=dict(decode_head=dict(c=3)))


def test_keep_replaces_the_dict_but_for_the_keys_that_it_names():
    base = dict(head=dict(type='A', num_classes=3, num_convs=2, loss=dict(type='CE')))
    overlay = dict(head=dict(_keep_=['num_classes', 'loss', 'sampler'], type='B', width=8))
    assert merge(base, overlay) == dict(head=dict(type='B', num_classes=3, loss=dict(type='CE'), width=8))


def test_what_another_overlay_sets_survives_a_replacement_whoever_comes_first():
    base = dict(head=dict(type='A', num_convs=2, loss=dict(type='CE')))
    replaces = dict(head=dict(_keep_=['loss'], type='B'))
    loss = dict(head=dict(loss=dict(_delete_=True, type='Dice'), ratio=0.5))
    assert clash(replaces, loss, ('one', 'two')) is None
    expected = dict(head=dict(type='B', loss=dict(type='Dice'), ratio=0.5))
    assert apply(base, [replaces, loss]) == apply(base, [loss, replaces]) == expected


def test_one_head_takes_the_place_of_a_cascade_which_is_none_any_more():
    base = dict(
        model=dict(
            type='CascadeEncoderDecoder',
            num_stages=2,
            neck=1,
            decode_head=[dict(type='A', n=1), dict(type='A', n=2, m=1)],
        )
    )
    overlay = dict(model=dict(decode_head=dict(_keep_=['n'], type='B')))
    assert merge(base, overlay)['model'] == dict(type='EncoderDecoder', neck=1, decode_head=dict(type='B', n=2))


def test_an_overlay_for_one_type_alone_is_refused_elsewhere():
    overlay = dict(model=dict(decode_head=dict(_only_='A', type='B')))
    for head in (dict(type='A', n=1), [dict(type='C'), dict(type='A', n=1)]):
        merged = merge(dict(model=dict(decode_head=head)), overlay)['model']['decode_head']
        assert (merged[-1] if isinstance(head, list) else merged) == dict(type='B', n=1)
    with pytest.raises(
        BadInput, match="'model.decode_head' is of the type 'C' in the baseline, but .* for the type 'A' only"
    ):
        merge(dict(model=dict(decode_head=dict(type='C', n=1))), overlay)
    assert set(leaves(overlay, 'me')) == {('model', 'decode_head', 'type')}


def test_wrap_puts_what_stood_there_under_its_key_and_finds_what_others_set():
    base = dict(model=dict(decode_head=dict(type='A', loss=dict(type='CE'))))
    around = dict(model=dict(decode_head=dict(_wrap_='head', type='Around', depth=2)))
    loss = dict(model=dict(decode_head=dict(loss=dict(_delete_=True, type='Dice'))))
    assert clash(around, loss, ('one', 'two')) is None
    expected = dict(type='Around', depth=2, head=dict(type='A', loss=dict(type='Dice')))
    assert stacked(base, [('one', around), ('two', loss)])['model']['decode_head'] == expected
    assert stacked(base, [('two', around), ('one', loss)])['model']['decode_head'] == expected


def test_wrapping_nothing_wraps_none_and_a_cascade_wraps_its_last_head():
    neck = dict(model=dict(neck=dict(_wrap_='neck', type='N')))
    assert stacked(dict(model=dict()), [('one', neck)]) == dict(model=dict(neck=dict(type='N', neck=None)))
    head = dict(model=dict(decode_head=dict(_wrap_='head', type='W')))
    wrapped = stacked(dict(model=dict(decode_head=[dict(c=1), dict(c=2)])), [('one', head)])
    assert wrapped['model']['decode_head'] == [dict(c=1), dict(type='W', head=dict(c=2))]


def test_an_overlay_that_wraps_or_refers_is_left_alone_where_lists_change():
    base = dict(model=dict(neck=dict(type='FPN', in_channels=[1, 2]), head=dict(in_index=[0, 1])), hooks=[])
    overlay = dict(
        model=dict(
            neck=dict(_wrap_='neck', in_channels=dict(_probe_='channels')), head=dict(in_index=dict(_probe_='levels'))
        ),
        hooks=dict(_insert_=[1]),
    )
    applied = stacked(base, [('one', overlay)])
    assert applied['model']['neck'] == dict(neck=base['model']['neck'], in_channels=dict(_probe_='channels'))
    assert applied['model']['head'] == dict(in_index=dict(_probe_='levels')) and applied['hooks'] == [1]


def test_nested_replacements_commute_whatever_they_are_called():
    base = dict(head=dict(type='A', n=3, loss=dict(type='CE', weight=2)))
    head = dict(head=dict(_keep_=['n'], type='B'))
    loss = dict(head=dict(loss=dict(_keep_=['weight'], type='Dice')))
    assert clash(head, loss, ('one', 'two')) is None
    assert (
        apply(base, [head, loss]) == apply(base, [loss, head]) == dict(head=dict(type='B', n=3, loss=dict(type='Dice')))
    )


def test_wrapping_reaches_into_the_heads_that_merging_reaches():
    base = dict(model=dict(decode_head=[dict(loss=1), dict(loss=2)], auxiliary_head=[dict(loss=3)]))
    node = dict(loss=dict(_wrap_='inner', type='W'))
    wrapped = stacked(base, [('one', dict(model=dict(decode_head=node, auxiliary_head=node)))])['model']
    assert wrapped == dict(
        decode_head=[dict(loss=1), dict(loss=dict(type='W', inner=2))],
        auxiliary_head=[dict(loss=dict(type='W', inner=3))],
    )


def test_each_changes_every_element_and_insertion_comes_after():
    base = dict(schedulers=[dict(type='Warm', end=10), dict(type='Poly', begin=10, end=100)])
    longer = dict(schedulers=dict(_each_=dict(begin=dict(_times_=2), end=dict(_times_=2))))
    late = dict(schedulers=dict(_each_=dict(by_epoch=False), _insert_=[dict(type='New', end=5)]))
    assert clash(longer, late, ('one', 'two')) is None
    expected = [
        dict(type='Warm', end=20, by_epoch=False),
        dict(type='Poly', begin=20, end=200, by_epoch=False),
        dict(type='New', end=5),
    ]
    assert apply(base, [longer, late])['schedulers'] == apply(base, [late, longer])['schedulers'] == expected
    with pytest.raises(BadInput, match="'schedulers' is not a list"):
        apply(dict(schedulers=3), [longer])


def test_a_multiple_needs_a_number():
    assert merge(dict(n=3, x=0.5), dict(n=dict(_times_=0.1), x=dict(_times_=3))) == dict(n=1, x=1.5)
    with pytest.raises(BadInput, match=r"'n' is None in the baseline, so it cannot be multiplied by 2"):
        merge(dict(), dict(n=dict(_times_=2)))


@pytest.mark.parametrize(
    'after, expected',
    [
        (None, ['Load', 'Flip', 'Pack', 'New']),
        ('Load', ['Load', 'New', 'Flip', 'Pack']),
        ('Pack', ['Load', 'Flip', 'Pack', 'New']),
    ],
)
def test_insert_appends_or_puts_after_a_type(after, expected):
    node = dict(_insert_=[dict(type='New')], **({'_after_': after} if after else {}))
    assert types(apply(dict(p=PIPELINE), [dict(p=node)])['p']) == expected


def test_insert_puts_before_a_type():
    node = dict(_insert_=[dict(type='New')], _before_='Flip')
    assert types(apply(dict(p=PIPELINE), [dict(p=node)])['p']) == ['Load', 'New', 'Flip', 'Pack']


def test_insert_keeps_the_order_of_its_items_and_takes_the_first_element_of_the_type():
    pipeline = [dict(type='Flip'), dict(type='Pack'), dict(type='Flip')]
    node = dict(_insert_=[dict(type='X'), dict(type='Y')], _after_='Flip')
    assert types(apply(dict(p=pipeline), [dict(p=node)])['p']) == ['Flip', 'X', 'Y', 'Pack', 'Flip']


def test_custom_hooks_need_not_exist_to_be_inserted_into():
    assert apply({}, [dict(custom_hooks=dict(_insert_=[dict(type='H')]))]) == dict(custom_hooks=[dict(type='H')])


def test_insertions_reach_the_heads_that_merging_reaches():
    base = dict(
        model=dict(decode_head=[dict(losses=[]), dict(losses=[1])], auxiliary_head=[dict(losses=[2]), dict(losses=[])])
    )
    node = dict(losses=dict(_insert_=[9]))
    overlay = dict(model=dict(decode_head=node, auxiliary_head=node))
    assert apply(base, [overlay])['model'] == dict(
        decode_head=[dict(losses=[]), dict(losses=[1, 9])], auxiliary_head=[dict(losses=[2, 9]), dict(losses=[9])]
    )


@pytest.mark.parametrize(
    'node, message',
    [
        (dict(_insert_=[1], _after_='Flpi'), r"'p' has no 'Flpi' to insert after \(it has: Load, Flip, Pack\)"),
        (dict(_insert_=[1], _befor_='Flip'), "'p' changes a list with the unknown key '_befor_'"),
        (dict(_insert_=[1], _before_='Flip', _after_='Load'), "'p' inserts both after and before a type"),
    ],
)
def test_insertions_that_cannot_be_are_refused(node, message):
    with pytest.raises(BadInput, match=message):
        apply(dict(p=PIPELINE), [dict(p=node)])


@pytest.mark.parametrize('base', [dict(p=3), dict(), dict(p=dict(a=1))])
def test_inserting_where_there_is_no_list_is_refused(base):
    with pytest.raises(BadInput, match="'p' is not a list in the baseline"):
        apply(base, [dict(p=dict(_insert_=[1]))])


def test_leaves_are_the_paths_that_an_overlay_sets():
    overlay = dict(a=dict(b=1, c=dict(_delete_=True, d=1)), e=[1], f=dict(), g=dict(_insert_=[1]))
    assert set(leaves(overlay, 'me')) == {('a', 'b'), ('a', 'c'), ('e',), ('f',), ('g', '_insert_', 'me')}


@pytest.mark.parametrize(
    'first, second, key',
    [
        (dict(a=dict(b=1)), dict(a=dict(b=2)), 'a.b'),
        (dict(a=dict(b=1)), dict(a=dict(b=1)), 'a.b'),
        (dict(a=dict(_delete_=True, c=1)), dict(a=dict(b=2)), 'a.b'),
        (dict(a=3), dict(a=dict(b=dict(c=2))), 'a.b.c'),
        (dict(p=[1]), dict(p=dict(_insert_=[2])), 'p'),
        (dict(a=dict(_delete_=True, x=1)), dict(a=dict(p=dict(_insert_=[2]))), 'a.p'),
        (dict(a=dict(b=1)), dict(a=dict(c=1)), None),
        (dict(a=dict(b=1)), dict(ab=1), None),
        (dict(p=dict(_insert_=[1])), dict(p=dict(_insert_=[2])), None),
        (dict(a=dict(_keep_=['b'], type='X')), dict(a=dict(b=1)), None),
        (dict(a=dict(_keep_=['b'], type='X')), dict(a=dict(type='Y')), 'a.type'),
        (dict(a=dict(_keep_=['b'], type='X')), dict(a=dict(_delete_=True, c=1)), 'a'),
        (dict(a=dict(_wrap_='b')), dict(a=dict(_wrap_='c')), 'a'),
        (dict(a=dict(_wrap_='b')), dict(a=dict(_delete_=True)), 'a'),
        (dict(a=dict(_each_=dict(x=1))), dict(a=dict(_each_=dict(x=2))), 'a.x'),
        (dict(a=dict(_each_=dict(x=1))), dict(a=[3]), 'a.x'),
        (dict(a=dict(_each_=dict(x=1))), dict(a=dict(_each_=dict(y=2))), None),
        (dict(a=dict(_times_=2)), dict(a=3), 'a'),
        (dict(inference=dict(views=dict(h=dict(type='F')))), dict(inference=dict(views=dict(v=dict(type='F')))), None),
    ],
)
def test_clash_names_the_key_either_way_round(first, second, key):
    assert clash(first, second, ('one', 'two')) == key
    assert clash(second, first, ('two', 'one')) == key


values = st.one_of(st.integers(0, 3), st.text('xy', max_size=1), st.lists(st.integers(0, 1), max_size=2))
trees = st.recursive(values, lambda inner: st.dictionaries(st.sampled_from('abc'), inner, max_size=3), max_leaves=6)
configs = st.dictionaries(st.sampled_from('abc'), trees.filter(lambda tree: not isinstance(tree, list)), max_size=3)
WITH_LISTS = dict(p=PIPELINE, q=dict(r=[dict(type='Load')]))
insertions = st.fixed_dictionaries(
    {},
    optional=dict(
        p=st.builds(
            lambda n, after: dict(_insert_=[dict(type=f'N{n}')], _after_=after),
            st.integers(0, 9),
            st.sampled_from(['Load', 'Flip']),
        ),
        q=st.builds(lambda n: dict(r=dict(_insert_=[dict(type=f'M{n}')])), st.integers(0, 9)),
    ),
)


def without_lists(tree):
    return {
        key: without_lists(value) if isinstance(value, dict) else 0 if isinstance(value, list) else value
        for key, value in tree.items()
    }


def stacked(base, named):
    """As compose does it: in the order of the owners' names."""
    overlays = [overlay for _, overlay in sorted(named, key=lambda pair: pair[0])]
    config = apply(base, overlays)
    for overlay in overlays:
        config = wrap(config, overlay)
    return config


@settings(max_examples=150, deadline=None)
@given(configs, st.lists(st.tuples(configs, insertions), min_size=2, max_size=3), st.randoms())
def test_overlays_of_disjoint_keys_commute_and_change_no_input(base, parts, rng):
    base = {**without_lists(base), **WITH_LISTS}
    named = []
    for n, (plain, insertion) in enumerate(parts):
        overlay = {**plain, **insertion}
        if all(clash(overlay, other, (str(n), name)) is None for name, other in named):
            named.append((str(n), overlay))
    before = copy.deepcopy((base, named))
    expected = stacked(base, named)
    shuffled = list(named)
    rng.shuffle(shuffled)
    assert stacked(base, shuffled) == expected
    assert (base, named) == before


@settings(max_examples=100, deadline=None)
@given(configs, configs)
def test_what_an_overlay_sets_is_there_afterwards_and_merging_twice_is_merging_once(base, overlay):
    base = without_lists(base)
    merged = merge(base, overlay)
    assert merge(merged, overlay) == merged
    for path in leaves(overlay, ''):
        got, wanted = merged, overlay
        for step in path:
            got, wanted = got[step], wanted[step]
        assert got == wanted or wanted == {}


def test_results_share_nothing_with_their_inputs():
    base, overlay = dict(a=dict(b=[1])), dict(c=dict(d=[2]))
    merged = merge(base, overlay)
    merged['a']['b'].append(9)
    merged['c']['d'].append(9)
    assert base == dict(a=dict(b=[1])) and overlay == dict(c=dict(d=[2]))


def test_a_copy_shares_nothing_that_can_be_changed():
    class Own(dict):
        pass

    node = dict(a=[1, dict(b=2.5)], c=(3, [4]), d={'x'}, e=Own(f=[5]), g=None, h=True, i='text', j=int)
    again = copied(node)
    assert again == node and type(again['e']) is Own and type(again['c']) is tuple
    again['a'][1]['b'] = again['c'][1][0] = again['e']['f'][0] = 'spoilt'
    again['d'].add('y')
    assert node == dict(a=[1, dict(b=2.5)], c=(3, [4]), d={'x'}, e=Own(f=[5]), g=None, h=True, i='text', j=int)


def test_what_is_merged_shares_nothing_with_the_base_or_the_overlay():
    base, overlay = dict(kept=[dict(x=1)], a=dict(b=[1])), dict(a=dict(c=[dict(y=2)]))
    merged = merge(base, overlay)
    merged['kept'][0]['x'] = merged['a']['b'][0] = merged['a']['c'][0]['y'] = 'spoilt'
    assert base == dict(kept=[dict(x=1)], a=dict(b=[1])) and overlay == dict(a=dict(c=[dict(y=2)]))
