"""Which stages share a pass."""

from dataclasses import replace

import pytest

from benchmarks.plan.batching import MOST_REFINED, batch_key, take_batch
from benchmarks.plan.plan import Stage

TRAIN = ('train', 't' * 40)


def predict(name, parents=(TRAIN,), kind='predict', **config):
    return Stage(
        kind,
        name.ljust(40, '0'),
        (name,),
        0,
        '',
        dict(inference=dict(views={}), seed=0) | config,
        parents,
        {'config a': name},
    )


def test_stages_that_differ_in_views_alone_share_a_pass():
    one, other = (
        predict('a'),
        predict(
            'b',
            inference=dict(views=dict(x=dict(type='X')), merge='max', refine=dict(r=1)),
            custom_imports=dict(imports=['x']),
        ),
    )
    assert batch_key(one) == batch_key(other) is not None


@pytest.mark.parametrize(
    'other',
    [
        predict('b', seed=1),
        predict('b', parents=(('train', 'u' * 40),)),
        predict('b', test_dataloader=dict(dataset=dict(pipeline=[dict(type='Noise')]))),
        predict('b', custom_hooks=[dict(type='AutocastHook')]),
    ],
)
def test_stages_of_other_weights_images_or_networks_do_not(other):
    assert batch_key(other) not in (None, batch_key(predict('a')))


@pytest.mark.parametrize(
    'other',
    [
        predict('b', kind='train'),
        predict('b', kind='profile'),
        predict('b', inference=dict(views={}, views_per_batch=2)),
    ],
)
def test_some_stages_always_run_on_their_own(other):
    assert batch_key(other) is None


def test_stack_seed_and_role_say_nothing():
    other = replace(predict('a'), stack=('x',), seed=5, role='member 2')
    assert other.label == 'x__seed5 member 2' and batch_key(other) == batch_key(predict('a'))


def refine(name, of='p', images='images', **config):
    return predict(name, (('predict', of * 40), ('train', of * 40)), 'refine', test_dataloader=images, **config)


def test_refinements_of_the_same_images_share_a_pass_whatever_they_refine():
    assert batch_key(refine('a')) == batch_key(refine('b', of='q', seed=1, custom_hooks=['x']))
    assert len({batch_key(one) for one in (refine('a'), refine('a', images='noisy'), predict('a'))}) == 3


def test_one_process_runs_a_network_and_free_processes_share_refinements():
    predicts = [predict(name) for name in 'abcde']
    assert take_batch(predicts, 2) == predicts
    refines = [refine(name, of) for name, of in zip('abcde', 'pqqpq')]
    assert take_batch(refines, 1) == [refines[n] for n in (0, 3, 1, 2, 4)]
    assert take_batch(refines, 2) == [refines[n] for n in (0, 3, 1)]
    assert take_batch(refines[1:], 4) == [refines[1]]
    many = [refine(f'{n:x}') for n in range(3 * MOST_REFINED)]
    assert take_batch(many, 2) == many[:MOST_REFINED]
