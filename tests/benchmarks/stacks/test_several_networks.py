"""Stacks of several networks: what is trained for them, which stages that gives, and what moves their keys."""

import copy
import itertools
from pathlib import Path

import pytest

from benchmarks.errors import BadInput
from benchmarks.files import digest
from benchmarks.plan.keys import as_computed
from benchmarks.plan.plan import Cell
from benchmarks.plan.planner import KeyContext, make_plan
from benchmarks.run.outcome import acted, training_facts
from benchmarks.stacks.compose import compose, load_config, strip_helpers
from benchmarks.stacks.data_sets import data_sets
from benchmarks.stacks.merging import merge
from benchmarks.stacks.overlay import apply
from benchmarks.stacks.plugin_code import PluginCode
from benchmarks.stacks.protocol import apply_protocol, pair_training_data
from benchmarks.stacks.references import Levels
from benchmarks.stacks.several_networks import each_training, labelling, member_seed, members, student, teacher
from benchmarks.stacks.technique import Technique, load_techniques
from benchmarks.stages.parents import by_role, checkpoints, weights
from benchmarks.store.store import Result

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
PROTOCOL = load_config(CONFIGS / '_base_' / 'protocol.py')
ROWS = [
    'ensemble_seeds',
    'ensemble_architectures',
    'ensemble_checkpoints',
    'half_labels',
    'pseudo_labels',
    'cbam',
    'flips_rot90',
    'crf_cleanup',
    'tta_max',
    'compile_inference',
    'mixed_precision_inference',
    'noise_1',
]
TECHNIQUES = load_techniques(CONFIGS / 'techniques', ROWS)
SMALL = load_config(CONFIGS / 'baselines' / 'unet_small_icbm152.py')
BASELINE = apply_protocol(strip_helpers(SMALL), PROTOCOL, 'cpu')[0]
LEVELS = Levels([96, 48, 24, 12], [8, 4, 2, 1])


def config_of(stack, base=None, techniques=TECHNIQUES):
    composed = compose(base or BASELINE, stack, techniques, lambda config: LEVELS)
    return each_training(composed, lambda one: pair_training_data(one, PROTOCOL))


def plan_of(stacks, base=None, techniques=TECHNIQUES, seeds=(0,), clean_stack_of=None, **context):
    configs = {stack: config_of(stack, base, techniques) for stack in stacks}
    code = PluginCode(module for config in configs.values() for module in config['custom_imports']['imports'])
    context = (
        dict(
            fingerprint=lambda dataset: digest(as_computed({**dataset, 'pipeline': None})),
            names=lambda dataset: 'a, b',
            versions=dict(torch='2.13'),
            device_type='cpu',
            hardware='a processor',
            label_dir='/labels/{}'.format,
        )
        | context
    )
    return make_plan(configs, [], seeds, KeyContext(baseline=base or BASELINE, code=code, **context), clean_stack_of)


def counts(plan):
    kinds = ('train', 'label', 'combine', 'predict', 'refine', 'profile')
    return {kind: plan.count(kind) for kind in kinds if plan.count(kind)}


def trains(cell):
    return {key for kind, key in cell.steps if kind == 'train'}


def changed(base=BASELINE, **overlay):
    return apply(copy.deepcopy(base), [overlay])


def row(name, overlay, *imports):
    return Technique(name, name, '', overlay, list(imports))


def test_members_seeds_are_nobody_elses():
    seeds = [member_seed(seed, member) for seed in range(50) for member in range(20)]
    assert len(set(seeds)) == len(seeds) and not set(seeds) & set(range(1000))
    assert [member_seed(2, n) for n in range(3)] == [3000, 3001, 3002]
    for seed, member in ((1000, 0), (0, 1000)):
        with pytest.raises(BadInput, match='less than 1000'):
            member_seed(seed, member)


def test_an_ensemble_over_seeds_shares_no_training_with_another_cell():
    plan = plan_of([(), ('ensemble_seeds',)], seeds=range(3))
    assert counts(plan) == dict(train=3 + 9, combine=3, predict=6, profile=2)
    cells = {(cell.stack, cell.seed): cell for cell in plan.cells}
    for one, other in itertools.combinations(cells.values(), 2):
        assert not trains(one) & trains(other)
    used = [stage.config['randomness']['seed'] for stage in plan.stages.values() if stage.kind == 'train']
    assert len(set(used)) == len(used) == 12


def test_an_ensembles_stages():
    plan = plan_of([('ensemble_seeds', 'crf_cleanup')])
    (cell,) = plan.cells
    assert [kind for kind, _ in cell.steps] == ['train'] * 3 + ['combine', 'predict', 'refine']
    combine, predict, refine = (plan.stages[key] for _, key in cell.steps[3:])
    assert combine.parents == tuple(cell.steps[:3]) and cell.weights == ('combine', combine.key)
    assert predict.parents == (cell.weights,) and refine.parents == (('predict', predict.key), cell.weights)
    assert plan.stages[plan.profiles[cell.stack]].parents == (cell.weights,)
    assert [combine.ingredients[f'parent train {n}'] for n in (1, 2, 3)] == [key for _, key in cell.steps[:3]]
    labels = [plan.stages[key].label for _, key in cell.steps]
    assert labels[:3] == [f'ensemble_seeds+crf_cleanup__seed0 member {n}' for n in (1, 2, 3)]
    # The dumped config is the first member's, so that mmseg's own script trains that one.
    assert cell.config['randomness']['seed'] == 1000 and cell.config['ensemble'] == dict(seeds=3)
    assert cell.train == cell.steps[0][1] and 'ensemble' not in plan.stages[cell.train].config


def test_an_ensemble_stacks_with_what_trains_and_with_what_only_tests():
    (alone,) = plan_of([('ensemble_seeds',)]).cells
    (tested,) = plan_of([('ensemble_seeds', 'flips_rot90')]).cells
    assert tested.steps[:4] == alone.steps[:4] and tested.predict != alone.predict
    (trained,) = plan_of([('cbam', 'ensemble_seeds')]).cells
    assert not trains(trained) & trains(alone)
    plan = plan_of([('ensemble_seeds',), ('ensemble_seeds', 'flips_rot90'), ('ensemble_seeds', 'crf_cleanup')])
    assert counts(plan) == dict(train=3, combine=1, predict=2, refine=1, profile=3)


def test_one_member_more_trains_one_network():
    overlay = {**TECHNIQUES['ensemble_seeds'].overlay, 'ensemble': dict(seeds=4)}
    more = {'four': row('four', overlay, 'plugins.hooks.ensemble')}
    three, four = plan_of([('ensemble_seeds',)]), plan_of([('four',)], techniques=more)
    new = [four.stages[key].kind for key in four.stages.keys() - three.stages.keys()]
    assert sorted(new) == ['combine', 'predict', 'profile', 'train']


def test_an_ensemble_over_architectures_resolves_each_member_by_itself():
    config = config_of(('ensemble_architectures',))
    plain, decoder, gated = members(config)
    assert plain.config['model'] == BASELINE['model']
    head = decoder.config['model']['decode_head']
    assert (head['type'], head['in_channels'], head['in_strides']) == ('UNetHead', [96, 48, 24, 12], [8, 4, 2, 1])
    assert head['num_classes'] == 3 and 'attention_gates' not in head
    assert gated.config['model']['decode_head'] == {**head, 'attention_gates': True}
    assert config['model'] == BASELINE['model']
    for member in (plain, decoder, gated):
        assert member.config['train_dataloader']['dataset']['type'] == 'PairedDataset'
        assert 'ensemble' not in member.config


def test_a_changed_member_retrains_itself_alone():
    def with_second(**model):
        overlay = dict(
            ensemble=dict(members=[dict(), dict(model=dict(decode_head=model))]),
            custom_hooks=dict(_insert_=[dict(type='EnsembleHook')]),
        )
        plan = plan_of([('two',)], techniques={'two': row('two', overlay, 'plugins.hooks.ensemble')})
        return plan, plan.cells[0].steps

    (_, before), (plan, after) = with_second(dropout_ratio=0.2), with_second(dropout_ratio=0.3)
    assert before[0] == after[0] and [kind for kind, _ in after] == ['train', 'train', 'combine', 'predict']
    assert not set(before[1:]) & set(after[1:])
    assert plan.cells[0].config['model']['decode_head']['dropout_ratio'] == 0.1


def test_how_a_member_tests_is_kept_with_its_weights():
    """`model.test_cfg` trains nothing, but the combined checkpoint holds it."""

    def with_second(stride):
        overlay = dict(
            ensemble=dict(
                members=[dict(), dict(model=dict(test_cfg=dict(mode='slide', crop_size=(32, 32), stride=stride)))]
            )
        )
        return plan_of([('two',)], techniques={'two': row('two', overlay)}).cells[0].steps

    before, after = with_second((16, 16)), with_second((8, 8))
    assert before[:2] == after[:2] and before[2] != after[2] and before[3] != after[3]


def test_an_ensemble_of_checkpoints_is_one_training_of_the_cells_own_seed():
    plan = plan_of([(), ('ensemble_checkpoints',)])
    assert counts(plan) == dict(train=2, combine=1, predict=2, profile=2)
    baseline, cell = plan.cells
    assert cell.config['randomness']['seed'] == baseline.config['randomness']['seed'] == 0
    hook = cell.config['default_hooks']['checkpoint']
    assert (hook['interval'], hook['max_keep_ckpts']) == (25, -1)
    # What a training keeps is its result.
    overlay = {**TECHNIQUES['ensemble_checkpoints'].overlay, 'ensemble': dict(last_checkpoints=4)}
    more = {'four': row('four', overlay, 'plugins.hooks.ensemble')}
    assert not trains(plan_of([('four',)], techniques=more).cells[0]) & trains(cell)


@pytest.mark.parametrize(
    'ensemble, said',
    [
        (dict(seeds=1), '2 networks'),
        (dict(seeds=True), '2 networks'),
        (dict(seeds='three'), '2 networks'),
        (dict(members=[dict()]), '2 networks'),
        (dict(seeds=2, last_checkpoints=2), 'takes one of'),
        (dict(sedes=3), 'takes one of'),
        (dict(last_checkpoints=3), 'set interval'),
        (
            dict(members=[dict(), dict(inference=dict(views=dict(a=dict(type='IdentityView'))))]),
            "member 2.*'inference'",
        ),
    ],
)
def test_an_ensemble_that_is_none_is_refused(ensemble, said):
    with pytest.raises(BadInput, match=said):
        config_of(('wrong',), techniques={'wrong': row('wrong', dict(ensemble=ensemble))})


def test_two_ensembles_in_one_stack_are_refused():
    with pytest.raises(BadInput, match='do not go together'):
        config_of(('ensemble_seeds', 'ensemble_checkpoints'))


def test_too_few_kept_checkpoints_are_refused_before_any_training():
    overlay = copy.deepcopy(TECHNIQUES['ensemble_checkpoints'].overlay)
    overlay['default_hooks']['checkpoint']['max_keep_ckpts'] = 2
    with pytest.raises(BadInput, match='the last 2'):
        config_of(('few',), techniques={'few': row('few', overlay)})


def test_the_teacher_is_the_network_with_half_of_the_labels():
    plan = plan_of([(), ('half_labels',), ('pseudo_labels',)], seeds=range(2))
    assert counts(plan) == dict(train=6, label=2, predict=6, profile=1)
    half, pseudo = plan.cells[2], plan.cells[4]
    taught, labels, own = pseudo.before_predict
    assert taught == ('train', half.train) and own == ('train', pseudo.train) == pseudo.weights
    assert plan.stages[labels[1]].parents == (taught,) and plan.stages[own[1]].parents == (labels,)
    assert half.config == plan.stages[half.train].config == plan.stages[taught[1]].config


def test_a_teacher_with_no_row_of_its_own_is_trained_all_the_same():
    plan = plan_of([('pseudo_labels',)])
    assert counts(plan) == dict(train=2, label=1, predict=1, profile=1)
    assert [stage.label for stage in plan.stages.values()][:3] == [
        'pseudo_labels__seed0 teacher',
        'pseudo_labels__seed0',
        'pseudo_labels__seed0',
    ]


def test_the_dumped_student_names_its_labels_and_its_key_does_not():
    plan, moved = plan_of([('pseudo_labels',)]), plan_of([('pseudo_labels',)], label_dir='/elsewhere/{}'.format)
    assert plan.stages.keys() == moved.stages.keys()
    cell = plan.cells[0]
    part = cell.config['train_dataloader']['dataset']['dataset']
    assert part['label_dir'] == f'/labels/{cell.before_predict[1][1]}' and part['type'] == 'PseudoLabelled'
    assert part == plan.stages[cell.train].config['train_dataloader']['dataset']['dataset']


def labels_and_student(**base):
    plan = plan_of([('pseudo_labels',)], changed(**base)) if base else plan_of([('pseudo_labels',)])
    return dict(zip(('teacher', 'label', 'student', 'predict'), (key for _, key in plan.cells[0].steps)))


@pytest.mark.parametrize(
    'change, moves',
    [
        (dict(model=dict(decode_head=dict(dropout_ratio=0.3))), {'teacher', 'label', 'student', 'predict'}),
        (
            dict(model=dict(test_cfg=dict(_delete_=True, mode='slide', crop_size=(64, 64), stride=(32, 32)))),
            {'label', 'student', 'predict'},
        ),
        (dict(inference=dict(views=dict(more=dict(type='IdentityView')))), {'predict'}),
        (dict(log_level='DEBUG'), set()),
    ],
)
def test_what_moves_labels_and_student(change, moves):
    before, after = labels_and_student(), labels_and_student(**change)
    assert {name for name in before if before[name] != after[name]} == moves


@pytest.mark.parametrize('name', ['tta_max', 'compile_inference', 'mixed_precision_inference', 'noise_1'])
def test_what_only_tests_moves_neither_labels_nor_student(name):
    """Whatever a fingerprint looks at: the images to label are to be the same data set."""
    (alone,) = plan_of([('pseudo_labels',)], fingerprint=digest).cells
    (tested,) = plan_of([('pseudo_labels', name)], fingerprint=digest).cells
    assert tested.before_predict == alone.before_predict and tested.predict != alone.predict
    (found,) = (list(data_sets(config_of(stack), BASELINE))[2] for stack in [('pseudo_labels', name)])
    assert found == list(data_sets(config_of(('pseudo_labels',)), BASELINE))[2]


def test_a_teacher_labels_with_hooks_of_its_own_and_with_the_baselines():
    base = changed(custom_hooks=dict(_insert_=[dict(type='MixedPrecisionInferenceHook')]))
    base['custom_imports'] = dict(
        imports=[*base['custom_imports']['imports'], *TECHNIQUES['mixed_precision_inference'].imports]
    )
    own = row('own', dict(custom_hooks=dict(_insert_=[dict(type='WeightEMAHook')])), 'plugins.hooks.weight_ema')
    plan = plan_of([('own', 'pseudo_labels', 'compile_inference')], base, {**TECHNIQUES, 'own': own})
    (label,) = (stage for stage in plan.stages.values() if stage.kind == 'label')
    assert [hook['type'] for hook in label.config['custom_hooks']] == [
        'PairedArmsHook',
        'WeightEMAHook',
        'InferenceHook',
        'MixedPrecisionInferenceHook',
    ]


def test_a_member_with_test_hooks_of_its_own_is_refused():
    def planned(*hooks):
        given = [*BASELINE['custom_hooks'], dict(type='EnsembleHook'), *hooks]
        overlay = dict(
            ensemble=dict(members=[dict(), dict(custom_hooks=given)]),
            custom_hooks=dict(_insert_=[dict(type='EnsembleHook')]),
        )
        modules = ['plugins.hooks.ensemble', 'plugins.hooks.mixed_precision_inference', 'plugins.hooks.weight_ema']
        return plan_of([('two',)], techniques={'two': row('two', overlay, *modules)})

    with pytest.raises(
        BadInput,
        match="member 2 of the ensemble changes 'custom_hooks'.*MixedPrecisionInferenceHook "
        'instead of InferenceHook, EnsembleHook.*beside the members',
    ):
        planned(dict(type='MixedPrecisionInferenceHook'))
    assert counts(planned(dict(type='WeightEMAHook'))) == dict(train=2, combine=1, predict=1, profile=1)


@pytest.mark.parametrize('stack', ['ensemble_seeds', 'ensemble_architectures'])
def test_the_members_initial_weights_enter_by_content_alone(tmp_path, stack):
    def stages(name, content=b'weights'):
        path = tmp_path / name
        path.write_bytes(content)
        start = dict(type='Pretrained', checkpoint=str(path))
        base = merge(BASELINE, dict(model=dict(backbone=dict(init_cfg=start))))
        return plan_of([(stack,)], base).stages.keys()

    assert stages('a.pth') == stages('b.pth')
    (profile,) = stages('a.pth') & stages('b.pth', b'others')  # its latency does not depend on them
    assert profile in stages('a.pth')


def test_another_confidence_labels_and_teaches_anew_with_the_same_teacher():
    overlay = copy.deepcopy(TECHNIQUES['pseudo_labels'].overlay)
    overlay['teacher']['confidence'] = 0.8
    (surer,) = plan_of([('pseudo_labels',)]).cells
    (less,) = plan_of([('less',)], techniques={'less': row('less', overlay, 'plugins.datasets.carved')}).cells
    assert surer.before_predict[0] == less.before_predict[0]
    assert not set(surer.steps[1:]) & set(less.steps[1:])


def test_the_teacher_never_sees_validation_or_test_images():
    config = config_of(('pseudo_labels',))
    labels = labelling(config, BASELINE, lambda hook: hook == 'InferenceHook')
    images = labels['test_dataloader']['dataset']
    assert images['type'] == 'UnlabelledPart' and 'label_dir' in images
    inner, trained = images['dataset'], BASELINE['train_dataloader']['dataset']
    assert {**inner, 'pipeline': None} == {**trained, 'pipeline': None}
    steps = [step['type'] for step in inner['pipeline']]
    assert 'LoadAnnotations' not in steps
    assert steps == [
        step['type'] for step in BASELINE['test_dataloader']['dataset']['pipeline'] if step['type'] != 'LoadAnnotations'
    ]
    assert labels['inference'] == dict(views={}, refine={})
    assert labels['custom_hooks'] == config['custom_hooks'] == BASELINE['custom_hooks']
    assert [name for name, _ in data_sets(config, BASELINE)] == ['train', 'train', 'unlabelled', 'test']
    assert 'label_dir' not in str(teacher(config)) and student(config, '/x') != config


def test_tuples_of_a_student_stay_tuples():
    base = copy.deepcopy(BASELINE)
    crop = [step for step in base['train_dataloader']['dataset']['pipeline'] if step['type'] == 'RandomCrop'][0]
    crop['crop_size'] = (96, 96)
    config = student(config_of(('pseudo_labels',), base), '/x')
    steps = config['train_dataloader']['dataset']['dataset']['dataset']['pipeline']
    assert [step['crop_size'] for step in steps if step['type'] == 'RandomCrop'] == [(96, 96)]


def test_each_member_of_an_ensemble_has_a_teacher_of_its_own():
    plan = plan_of([('ensemble_seeds', 'pseudo_labels'), ('ensemble_seeds', 'half_labels')])
    assert counts(plan) == dict(train=6, label=3, combine=2, predict=2, profile=1)
    students, halves = plan.cells
    assert [kind for kind, _ in students.before_predict] == ['train', 'label', 'train'] * 3 + ['combine']
    assert [key for kind, key in halves.before_predict[:3]] == [students.before_predict[n][1] for n in (0, 3, 6)]


@pytest.mark.parametrize(
    'overlay, said',
    [
        (dict(teacher=dict(data='A', unlabelled='B', confidence=0.9)), 'there are 0'),
        (
            dict(
                train_dataloader=dict(dataset=dict(_wrap_='dataset', type='PseudoLabelled', fraction=0.5, label_dir=''))
            ),
            "no 'teacher' says",
        ),
        ({**TECHNIQUES['pseudo_labels'].overlay, 'teacher': dict(data='A', unlabelled='B', confidence=1.0)}, 'below 1'),
        ({**TECHNIQUES['pseudo_labels'].overlay, 'teacher': dict(data='A', unlabelled='B')}, 'it takes data'),
    ],
)
def test_a_teacher_without_a_student_and_the_like_are_refused(overlay, said):
    with pytest.raises(BadInput, match=said):
        plan_of([('wrong',)], techniques={'wrong': row('wrong', overlay, 'plugins.datasets.carved')})


def test_a_stack_under_a_condition_shares_trainings_and_profile():
    noise = dict(test_dataloader=dict(dataset=dict(pipeline=dict(_insert_=[dict(type='PackSegInputs')]))))
    techniques = {**TECHNIQUES, 'noise': row('noise', noise)}
    stack = ('ensemble_seeds', 'pseudo_labels')
    plan = plan_of([stack, (*stack, 'noise')], techniques=techniques, clean_stack_of={(*stack, 'noise'): stack})
    assert counts(plan) == dict(train=6, label=3, combine=1, predict=2, profile=1)
    plain, noisy = plan.cells
    assert plain.before_predict == noisy.before_predict and plain.predict != noisy.predict
    assert plan.profiles[(*stack, 'noise')] == plan.profiles[stack]
    assert noisy.config['test_dataloader'] != plain.config['test_dataloader']
    assert noisy.config['train_dataloader'] == plain.config['train_dataloader']


def test_parents_by_role(tmp_path):
    assert by_role([('predict', 1), ('train', 2)]) == dict(predict=1, train=2)
    assert by_role([('train', 1), ('train', 2), ('combine', 3)]) == {'train 1': 1, 'train 2': 2, 'combine': 3}
    assert weights(dict(train=Path('a'))) == Path('a/checkpoint.pth')
    assert weights(dict(predict=Path('p'), combine=Path('c'))) == Path('c/checkpoint.pth')
    for name in ('checkpoint.pth', 'checkpoint_3.pth', 'checkpoint_2.pth', 'other.pth'):
        (tmp_path / name).touch()
    assert [path.name for path in checkpoints(tmp_path)] == ['checkpoint.pth', 'checkpoint_2.pth', 'checkpoint_3.pth']


def finished(status='ok', **facts):
    return Result(Path(), status, None if status == 'ok' else 'jammed', facts, {}, '')


def taught(seconds, peak, iterations, loss, **facts):
    return finished(
        seconds=seconds,
        peak_mib=peak,
        peak_reserved_mib=None,
        host_peak_mib=peak + 1.0,
        iterations=iterations,
        final_loss=loss,
        threads=1,
        **facts,
    )


def test_the_facts_of_several_trainings():
    cell = Cell(
        ('x',),
        0,
        {},
        (('train', 't'), ('label', 'l'), ('train', 's'), ('train', 'm'), ('combine', 'c'), ('predict', 'p')),
    )
    results = dict(
        t=taught(10.0, 300.0, 5, 9.0, acted=dict(Clip=2), best_constant=None, loss_spikes=9),
        l=finished(seconds=1.5, acted=dict(pixels=7)),
        s=taught(
            20.0, 200.0, 7, 0.5, acted=dict(Clip=3), best_constant=dict(steps=1, loss=0.5, constant=0.9), loss_spikes=1
        ),
        m=taught(30.0, 100.0, 7, 0.7, best_constant=dict(steps=10, loss=0.7, constant=0.7), loss_spikes=2),
        c=finished(seconds=9.0),
        p=finished(acted=dict(Views=4)),
    )
    assert training_facts(cell, results) == dict(
        seconds=61.5,
        peak_mib=300.0,
        peak_reserved_mib=None,
        host_peak_mib=301.0,
        iterations=19,
        final_loss=pytest.approx(0.6),
        threads=1,
        best_constant=dict(steps=1, loss=0.5, constant=0.9),
        loss_spikes=3,
    )
    assert acted(cell, results) == {'train Clip': 5, 'label pixels': 7, 'predict Views': 4}
    assert training_facts(cell, {**results, 'm': finished('diverged')}) is None
    plain = Cell((), 0, {}, (('train', 's'), ('predict', 'p')))
    own = results['s'].facts
    assert training_facts(plain, results) == {name: value for name, value in own.items() if name != 'acted'}
