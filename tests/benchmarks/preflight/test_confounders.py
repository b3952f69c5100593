"""What drifts along with a technique is named; what a technique sets for its own sake is not."""

import pytest

from benchmarks.preflight.confounders import Arm, declares, drift
from benchmarks.preflight.control_arm import control_arm, overlay_of_control
from benchmarks.stacks.compose import compose
from benchmarks.stacks.technique import Technique

BASE = dict(
    model=dict(backbone=dict(type='A'), decode_head=dict(type='B', loss_decode=dict(type='C'))),
    train_dataloader=dict(batch_size=8, dataset=dict(type='D', pipeline=[dict(type='Crop', crop_size=(96, 96))])),
    optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1)),
    param_scheduler=[dict(type='PolyLR', begin=0, end=100, by_epoch=False)],
    train_cfg=dict(max_iters=100),
    test_dataloader=dict(dataset=dict(type='D')),
)
LOSS = dict(decode_head=dict(loss_decode=dict(type='E')))


def technique(**overlay):
    return Technique('mine', 'mine', 'mine', overlay)


def arm(config, images=50, parameters=1_000_000, pixels=9216.0, operations=2_000_000_000):
    return Arm(config, config['train_cfg'].get('max_iters'), images, parameters, pixels, operations)


def drifted(one, **facts):
    """The drift of a technique on the baseline, with the facts of its arm."""
    config = compose(BASE, ('mine',), {'mine': one})
    return drift(arm(config, **facts), arm(BASE), [one])


@pytest.mark.parametrize(
    'one',
    [
        technique(model=LOSS),
        technique(train_cfg=dict(max_iters=300), param_scheduler=dict(_each_=dict(end=300))),
        technique(train_dataloader=dict(batch_size=16), optim_wrapper=dict(optimizer=dict(lr=0.2))),
        technique(param_scheduler=dict(_each_=dict(power=2.0))),
        technique(inference=dict(views=dict(x=dict(type='V')))),
        technique(load_from='other.pth'),  # the same network from other weights: that is its subject
    ],
)
def test_what_a_technique_is_about_is_declared(one):
    assert drifted(one).clauses == []


@pytest.mark.parametrize(
    'beside, clause, compute',
    [
        (dict(train_cfg=dict(max_iters=300)), '3 times as many steps (100 → 300)', 3),
        (dict(train_dataloader=dict(batch_size=16)), '2 times as many images per update (8 → 16)', 2),
        (dict(optim_wrapper=dict(accumulative_counts=4)), '4 times as many images per update (8 → 32)', 4),
        (
            dict(optim_wrapper=dict(optimizer=dict(lr=0.3))),
            'another learning rate or schedule (optim_wrapper.optimizer.lr: 0.1 → 0.3)',
            1,
        ),
        (
            dict(param_scheduler=dict(_each_=dict(power=2.0))),
            'another learning rate or schedule (param_scheduler.0.power: None → 2.0)',
            1,
        ),
    ],
)
def test_what_it_sets_beside_its_subject_is_not(beside, clause, compute):
    found = drifted(technique(model=LOSS, **beside))
    assert (found.clauses, found.compute) == ([clause], compute)


def test_a_stretched_schedule_belongs_to_the_steps():
    overlay = dict(train_cfg=dict(max_iters=200), param_scheduler=dict(_each_=dict(end=200)))
    assert drifted(technique(model=LOSS, **overlay)).clauses == ['2 times as many steps (100 → 200)']
    faster = drifted(technique(model=LOSS, optim_wrapper=dict(optimizer=dict(lr=0.3)), **overlay))
    assert faster.clauses[1:] == ['another learning rate or schedule (optim_wrapper.optimizer.lr: 0.1 → 0.3)']
    assert faster.cures == ['The reference with this learning rate and schedule tells them from the idea']


@pytest.mark.parametrize(
    'facts, clause, compute',
    [
        (dict(pixels=2.1 * 9216), '2.1 times as many pixels per image in training', 2.1),
        (dict(pixels=1.1 * 9216), None, 1),
        (dict(pixels=None), None, 1),
        (dict(parameters=3_100_000), '3.1 times the parameters (1 million → 3.1 million)', 1),
        (dict(parameters=1_100_000), None, 1),
        (
            dict(operations=4_000_000_000),
            '2 times the operations of the network for a test image (2 billion → 4 billion)',
            1,
        ),
        (
            dict(operations=200_000_000),
            '0.1 times the operations of the network for a test image (2 billion → 0.2 billion)',
            1,
        ),
        (dict(operations=2_300_000_000), None, 1),
        (dict(operations=None), None, 1),
        (dict(images=25), 'each training image is drawn 2 times as often (16 → 32)', 1),
    ],
)
def test_consequences_are_named_from_a_fifth_on(facts, clause, compute):
    found = drifted(technique(model=LOSS), **facts)
    assert found.clauses == ([clause] if clause else []) and found.compute == pytest.approx(compute)


def test_a_larger_network_with_more_operations_has_one_cure():
    of_operations = (
        'A reference with about as many operations, such as a wider one, tells the computation from the idea'
    )
    of_size = 'A reference of about this size, wider or deeper, tells the size from the idea'
    assert drifted(technique(model=LOSS), operations=4_000_000_000).cures == [of_operations]
    both = drifted(technique(model=LOSS), operations=4_000_000_000, parameters=3_000_000)
    assert len(both.clauses) == 2 and both.cures == [of_size]


def test_half_of_the_images_for_half_of_the_steps_are_drawn_as_often():
    one = technique(
        train_cfg=dict(max_iters=50), train_dataloader=dict(dataset=dict(_wrap_='dataset', type='HalfOfIt'))
    )
    assert drifted(one, images=25).clauses == ['0.5 times as many steps (100 → 50)']


def test_another_network_with_weights_from_another_training_has_two_causes():
    one = technique(model=dict(backbone=dict(type='Z', init_cfg=dict(type='Pretrained', checkpoint='z.pth'))))
    found = drifted(one, parameters=1_010_000)
    assert found.clauses == ["it starts from other weights (Z 'z.pth')"]
    assert found.cures == ['The same network from random weights tells the pretraining from the network']
    of_both = compose(BASE, ('mine',), {'mine': one})
    wider = drift(arm(of_both, parameters=1_100_000), arm(of_both), [technique(model=LOSS)])
    assert wider.clauses == []  # both start from the same weights


def test_a_technique_that_sets_the_budget_alone_declares_it():
    assert declares([technique(train_cfg=dict(max_iters=9))], [('train_cfg',)])
    assert not declares([technique(train_cfg=dict(max_iters=9))], [('param_scheduler',)])
    assert not declares([technique(train_cfg=dict(max_iters=9), model=LOSS)], [('train_cfg',)])


def test_the_control_trains_the_reference_for_as_long():
    text = control_arm((), 2.13, {(): arm(BASE)}, {})
    overlay = dict(
        train_cfg=dict(max_iters=dict(_times_=2.1)),
        param_scheduler=dict(_each_=dict(begin=dict(_times_=2.1), end=dict(_times_=2.1))),
    )
    assert text.startswith('A control at equal compute is the reference with 2.1 times the steps')
    line = text.partition('overlay = ')[2]
    assert eval(line) == overlay
    config = compose(BASE, ('control',), {'control': Technique('control', 'c', 'c', overlay)})
    assert config['train_cfg']['max_iters'] == 210 == config['param_scheduler'][0]['end']
    by_epochs = overlay_of_control(dict(train_cfg=dict(max_epochs=7), param_scheduler=None), 3)
    assert by_epochs == 'overlay = dict(train_cfg=dict(max_epochs=dict(_times_=3)))'


def test_a_row_that_is_the_control_is_named():
    longer = Technique('longer', 'longer', 'longer', dict(train_cfg=dict(max_iters=dict(_times_=2))))
    arms = {stack: arm(compose(BASE, stack, {'longer': longer})) for stack in [(), ('longer',)]}
    assert control_arm((), 2.1, arms, {'longer': longer}).startswith("The row 'longer' is the control")
    assert control_arm((), 4.0, arms, {'longer': longer}).startswith('A control at equal compute')
