"""Which stages there are, and what moves their keys; no data, no framework: the data's fingerprint is a stand-in."""

import copy
import dataclasses
import hashlib
import importlib
import itertools
import shutil
from functools import lru_cache
from pathlib import Path

import pytest

from benchmarks.errors import BadInput
from benchmarks.files import digest
from benchmarks.plan.designs import lay_out
from benchmarks.plan.grid import read_grid
from benchmarks.plan.keys import as_computed
from benchmarks.plan.plan import Cell, Stage, what_changed
from benchmarks.plan.planner import KeyContext, _assert_each_training_once, make_plan
from benchmarks.run.state import State
from benchmarks.session.experiment import read_request
from benchmarks.session.settings import Settings, trials_asked
from benchmarks.stacks.compose import compose, load_config, set_data_root, strip_helpers
from benchmarks.stacks.merging import merge
from benchmarks.stacks.plugin_code import PluginCode
from benchmarks.stacks.protocol import apply_protocol, pair_training_data
from benchmarks.stacks.technique import Technique, load_techniques
from benchmarks.store.store import Result

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
PROTOCOL = load_config(CONFIGS / '_base_' / 'protocol.py')
QUICKSTART = dataclasses.replace(read_grid(CONFIGS / 'grids' / 'quickstart.py'), tune=None)
NAMES = QUICKSTART.designs[0]['techniques']  # attention, loss, multi-scale, TTA, post-processing
FULL = tuple(NAMES)
TECHNIQUES = load_techniques(CONFIGS / 'techniques', NAMES, map(Path, QUICKSTART.technique_folders))
CONTEXT = dict(
    fingerprint=lambda dataset: digest(as_computed(dataset)),
    names=lambda dataset: 'a, b',
    versions=dict(torch='2.13', mmseg='1.4'),
    device_type='cpu',
    hardware='a processor',
    label_dir=lambda key: f'/labels/{key}',
)
numbers = itertools.count()


BASELINE = apply_protocol(strip_helpers(load_config(QUICKSTART.baseline)), PROTOCOL, 'cpu')[0]


def baseline():
    return copy.deepcopy(BASELINE)


checkout_code = lru_cache(PluginCode)  # this checkout's plugins stay as they are while the tests run


def plan_of(stacks, base=None, techniques=TECHNIQUES, seeds=(0,), comparisons=(), imports=(), **context):
    base = base or baseline()
    configs = {stack: pair_training_data(compose(base, stack, techniques), PROTOCOL) for stack in stacks}
    modules = {*imports, *(module for config in configs.values() for module in config['custom_imports']['imports'])}
    read = checkout_code if all(module.startswith('plugins.') for module in modules) else PluginCode
    code = read(tuple(sorted(modules)))
    return make_plan(configs, list(comparisons), seeds, KeyContext(baseline=base, code=code, **{**CONTEXT, **context}))


def keys_of(stack=FULL, **arguments):
    """{'train': …, 'predict': …, 'refine': …, 'profile': …} of one stack."""
    plan = plan_of([stack], **arguments)
    return {**dict(plan.cells[0].steps), 'profile': plan.profiles[stack]}


def moved(before, after):
    return {kind for kind in before.keys() | after.keys() if before.get(kind) != after.get(kind)}


def changed_base(**change):
    return merge(baseline(), change)


ALL = {'train', 'predict', 'refine', 'profile'}


@pytest.fixture(scope='module')
def before():
    return keys_of()


@pytest.mark.parametrize('seeds', [1, 3])
def test_the_quickstart_trains_four_times_per_seed(seeds):
    layout = lay_out(QUICKSTART.designs)
    plan = plan_of(layout.stacks, comparisons=layout.comparisons, seeds=range(seeds))
    assert {kind: plan.count(kind) for kind in ALL} == dict(train=4 * seeds, predict=5 * seeds, refine=seeds, profile=5)
    assert len(plan.cells) == 6 * seeds and [cell.name for cell in plan.cells][:1] == ['baseline__seed0']
    assert plan.comparisons == layout.comparisons
    per_stack = {cell.stack: cell for cell in plan.cells if cell.seed == 0}
    rows = [per_stack[FULL[:n]] for n in range(6)]
    assert rows[3].train == rows[4].train == rows[5].train and rows[4].predict == rows[5].predict
    assert [row.refine is None for row in rows] == [True] * 5 + [False]
    assert len({row.train for row in rows[:4]}) == 4 and len({row.predict for row in rows[:5]}) == 5


def test_designs_share_their_trainings():
    names = [*NAMES[:3], NAMES[4]]
    layout = lay_out([dict(type=kind, techniques=names) for kind in ('cumulative', 'leave_one_out', 'each_alone')])
    plan = plan_of(layout.stacks)
    trainings = {frozenset(stack) - {NAMES[4]} for stack in layout.stacks}
    assert len(plan.cells) == 11 and plan.count('train') == len(trainings) == 8
    assert plan.by_hand() == (11, 11)
    layout = lay_out([dict(type='factorial', techniques=NAMES)])
    plan = plan_of(layout.stacks)
    assert len(plan.cells) == 32
    assert [plan.count(kind) for kind in ('train', 'predict', 'refine', 'profile')] == [8, 16, 16, 16]


def test_an_aa_arm_trains_the_baseline_anew_and_shares_its_profile():
    again = ('baseline_again',)
    configs = dict.fromkeys([(), again], pair_training_data(baseline(), PROTOCOL))
    code = checkout_code(tuple(configs[()]['custom_imports']['imports']))
    context = KeyContext(baseline=baseline(), code=code, **CONTEXT)
    plan = make_plan(configs, [], range(2), context, again={again: ()})
    assert {kind: plan.count(kind) for kind in ('train', 'predict', 'profile')} == dict(train=4, predict=4, profile=1)
    assert [cell.name for cell in plan.cells][2:] == ['baseline_again__seed0', 'baseline_again__seed1']
    assert [cell.config['randomness']['seed'] for cell in plan.cells] == [0, 1, 2_000_000, 2_000_001]
    changed = what_changed(*(plan.stages[plan.cells[n].train].ingredients for n in (0, 2)))
    assert changed == ['config randomness']


def test_the_baseline_and_what_shares_its_training_have_more_seeds_where_the_grid_asks():
    techniques = load_techniques(CONFIGS / 'techniques', ('focal', 'cbam', 'tta_flips', 'noise_1'))
    stacks = [(), ('tta_flips',), ('focal',), ('cbam',), ('focal', 'tta_flips'), ('noise_1',)]
    configs = {stack: pair_training_data(compose(baseline(), stack, techniques), PROTOCOL) for stack in stacks}
    again = ('baseline_again',)
    configs[again] = configs[()]
    modules = {module for config in configs.values() for module in config['custom_imports']['imports']}
    context = KeyContext(baseline=baseline(), code=checkout_code(tuple(sorted(modules))), **CONTEXT)

    def seeds(asked, number=3, uncounted=()):
        plan = make_plan(
            configs, [], range(number), context, {('noise_1',): ()}, None, {again: ()}, asked, uncounted=uncounted
        )
        return [len(plan.seeds_of[stack]) for stack in configs], plan.count('train')

    assert seeds(None) == ([3] * 7, 12)
    assert seeds('auto') == ([4, 4, 3, 3, 3, 4, 4], 14)  # 3 seeds times the root of 2 trainings
    assert seeds('auto', uncounted=[('cbam',)]) == ([3] * 7, 12)  # the root of 1
    assert seeds(6) == ([6, 6, 3, 3, 3, 6, 6], 18)
    assert seeds(2, number=5) == ([5] * 7, 20)  # --seeds 5 on the command line
    del configs[()], configs['noise_1',]
    with pytest.raises(BadInput, match="baseline_seeds='auto', but no design has the baseline as a row"):
        make_plan(configs, [], range(2), context, again={again: ()}, baseline_seeds='auto')


def test_all_kinds_of_designs_share_their_cells_in_the_full_story(tmp_path):
    grid = dataclasses.replace(read_grid(CONFIGS / 'grids' / 'full_story.py'), tune=None)
    request = read_request(grid, Settings(tmp_path, CONFIGS, 'cpu'))
    layout, stacks = request.stacks.layout, request.stacks
    assert {one.design for one in layout.comparisons} == {
        *('cumulative', 'cumulative_vs_baseline', 'leave_one_out', 'each_alone', 'sweep', 'aa', 'positive_control')
    }
    # 6 rows of the cumulative design, 4 more without one technique, 12 more alone, 6 values that are not those of the
    # technique, the A/A arm and the control
    assert len(layout.stacks) == 6 + 4 + 12 + 6 + 1 + 1
    context = KeyContext(baseline=request.baseline.with_protocol, code=stacks.code, **CONTEXT)
    plan = make_plan(stacks.paired, layout.comparisons, range(1), context, again=layout.again_of)
    by_hand = sum(layout.design_count.get(stack, 1) for stack in layout.stacks)
    assert (len(plan.cells), plan.count('train'), by_hand) == (30, 20, 38)


def test_a_plan_that_trains_more_or_less_than_its_cells_ask_for_is_a_mistake():
    plan = plan_of([(), FULL])
    train = plan.stages[plan.cells[0].train]
    more = dataclasses.replace(plan, stages={**plan.stages, 'x': dataclasses.replace(train, key='x')})
    less = dataclasses.replace(plan, stages={key: one for key, one in plan.stages.items() if one is not train})
    for wrong, planned in ((more, 3), (less, 1)):
        with pytest.raises(AssertionError, match=f'{planned} trainings planned, 2 asked'):
            _assert_each_training_once(wrong)


def test_rows_that_differ_in_losses_weights_or_schedule_share_a_profile_and_no_others_do():
    names = ('cbam', 'focal', 'ohem', 'warm_up', 'tta_flips', 'morphology', 'unet_decoder')
    techniques = load_techniques(CONFIGS / 'techniques', names)
    alone = [(name,) for name in names]
    plan = plan_of([(), *alone, ('focal', 'cbam'), ('focal', 'tta_flips'), ('ohem', 'morphology')], None, techniques)
    profile = plan.profiles
    assert profile[()] == profile['focal',] == profile['ohem',] == profile['warm_up',]
    assert profile['cbam',] == profile['focal', 'cbam'] and profile['tta_flips',] == profile['focal', 'tta_flips']
    assert profile['morphology',] == profile['ohem', 'morphology']
    different = {profile[stack] for stack in ((), ('cbam',), ('tta_flips',), ('morphology',), ('unet_decoder',))}
    assert len(different) == 5 == plan.count('profile')
    assert plan.measured_by(profile[()]) == [(), ('focal',), ('ohem',), ('warm_up',)]


def test_any_good_weights_serve_a_profile_with_their_own_config():
    techniques = load_techniques(CONFIGS / 'techniques', ['focal'])
    plan = plan_of([(), ('focal',)], None, techniques, seeds=[0, 1])
    stage = plan.stages[plan.profiles[()]]
    assert stage.parents == tuple(('train', cell.train) for cell in plan.cells)
    state = State(plan)

    def outcome(number, ok):
        state.results[plan.cells[number].train] = Result(Path(), 'ok' if ok else 'failed', None, {}, {}, '')

    assert not state.ready(stage) and not state.blocked(stage)
    outcome(0, False)
    outcome(1, False)
    assert not state.ready(stage) and not state.blocked(stage)
    outcome(2, True)
    config, parents = state.read_by(stage)
    assert state.ready(stage) and parents == (('train', plan.cells[2].train),) and config is plan.cells[2].config
    outcome(2, False)
    outcome(3, False)
    assert state.blocked(stage) and not state.ready(stage)


def test_a_stages_parents_are_in_the_plan_and_their_keys_enter_its_own():
    plan = plan_of([FULL], seeds=[0, 1])
    for stage in plan.stages.values():
        for kind, key in stage.parents:
            assert plan.stages[key].kind == kind
            assert stage.ingredients.get(f'parent {kind}', key) == key and (f'parent {kind}' in stage.ingredients) != (
                stage.kind == 'profile'  # any weights serve it
            )
    kinds = {stage.kind: [kind for kind, _ in stage.parents] for stage in plan.stages.values()}
    assert kinds == dict(train=[], predict=['train'], refine=['predict', 'train'], profile=['train', 'train'])
    assert plan.stages[plan.profiles[FULL]].parents == tuple(('train', cell.train) for cell in plan.cells)
    assert plan.cells[1].config['randomness']['seed'] == 1


def test_another_refinement_trains_and_predicts_nothing_anew(before):
    more = Technique(
        'more', 'more', '', dict(inference=dict(refine=dict(more=dict(type='Components', order=40, min_size=3))))
    )
    techniques = {**TECHNIQUES, 'more': more}
    assert moved(before, keys_of((*FULL, 'more'), techniques=techniques)) == {'refine', 'profile'}
    first, second = plan_of([FULL]), plan_of([FULL, (*FULL, 'more')], techniques=techniques)
    new = [second.stages[key].kind for key in second.stages.keys() - first.stages.keys()]
    assert sorted(new) == ['profile', 'refine'] and first.stages.keys() <= second.stages.keys()


def test_another_view_trains_nothing_anew(before):
    view = dict(views=dict(turned=dict(type='Rot90View', quarter_turns=2)))
    assert moved(before, keys_of(base=changed_base(inference=view))) == ALL - {'train'}


@pytest.mark.parametrize(
    'change',
    [
        dict(model=dict(test_cfg=dict(_delete_=True, mode='slide', crop_size=(64, 64), stride=(32, 32)))),
        dict(model=dict(data_preprocessor=dict(test_cfg=dict(size_divisor=32)))),
        dict(test_dataloader=dict(dataset=dict(reduce_zero_label=True))),
        dict(test_cfg=dict(fp16=True)),
    ],
)
def test_what_only_the_test_reads_never_retrains(before, change):
    assert moved(before, keys_of(base=changed_base(**change))) == ALL - {'train'}


@pytest.mark.parametrize(
    'change',
    [
        dict(log_level='DEBUG'),
        dict(log_processor=dict(window_size=3)),
        dict(visualizer=dict(name='other')),
        dict(default_hooks=dict(logger=dict(interval=1))),
        dict(default_hooks=dict(visualization=dict(draw=True))),
        dict(default_hooks=dict(timer=None)),
        dict(experiment_name='x'),
        dict(launcher='pytorch'),
        dict(work_dir='elsewhere'),
        dict(test_evaluator=dict(iou_metrics=['mFscore'])),
        dict(val_cfg=dict(type='ValLoop')),
        dict(default_hooks=dict(checkpoint=dict(max_keep_ckpts=2))),
        dict(train_cfg=dict(val_interval=7)),
        dict(train_cfg=dict(val_begin=3)),
        dict(resume=True),
        {f'{split}_dataloader': dict(dataset=dict(metainfo=dict(background=0))) for split in ('train', 'test')},
        {f'{split}_dataloader': dict(dataset=dict(metainfo=dict(dataset_name='Mine'))) for split in ('train', 'test')},
    ],
)
def test_what_changes_no_number_changes_no_key(before, change):
    assert keys_of(base=changed_base(**change)) == before


@pytest.mark.parametrize(
    'change',
    [
        dict(model=dict(backbone=dict(base_channels=13))),
        dict(model=dict(data_preprocessor=dict(pad_val=1))),
        dict(randomness=dict(deterministic=True)),
        dict(env_cfg=dict(cudnn_benchmark=True)),
        dict(nobody_knows_it=3),
    ],
)
def test_all_else_counts_as_training(before, change):
    assert moved(before, keys_of(base=changed_base(**change))) == ALL


@pytest.mark.parametrize(
    'change',
    [
        dict(optim_wrapper=dict(optimizer=dict(lr=1e-4))),
        dict(train_cfg=dict(max_iters=7)),
        dict(train_dataloader=dict(batch_size=4)),
        dict(train_dataloader=dict(num_workers=2)),
        dict(train_dataloader=dict(dataset=dict(metainfo=dict(classes=('white matter', 'background'))))),
        dict(default_hooks=dict(checkpoint=dict(interval=5))),
        dict(load_from='x.pth'),
        dict(model=dict(decode_head=dict(sampler=dict(type='OHEMPixelSampler')))),
        dict(param_scheduler=[]),
    ],
)
def test_what_acts_in_training_alone_measures_nothing_anew(before, change):
    assert moved(before, keys_of(base=changed_base(**change))) == ALL - {'profile'}


def test_where_data_lie_changes_nothing_but_their_content_does(before):
    elsewhere = set_data_root(baseline(), '/somewhere/else')
    assert elsewhere != baseline() and keys_of(base=elsewhere) == before

    def fingerprint(changed):
        return lambda dataset: CONTEXT['fingerprint'](dataset) + ('!' if dataset['type'] == changed else '')

    assert moved(before, keys_of(fingerprint=fingerprint('PairedDataset'))) == ALL - {'profile'}
    assert moved(before, keys_of(fingerprint=fingerprint('ICBM152PeopleDataset'))) == ALL - {'train'}


def test_initial_weights_enter_by_content_not_by_folder(tmp_path):
    def keys(folder, content):
        path = tmp_path / folder / 'weights.pth'
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        start = dict(type='Pretrained', checkpoint=str(path))
        return keys_of(base=changed_base(model=dict(backbone=dict(init_cfg=start))))

    first = keys('a', b'one')
    assert moved(first, keys('b', b'one')) == set()
    assert moved(first, keys('a', b'two')) == ALL - {'profile'}


WEIGHTS = {
    'of the whole model': lambda path: dict(load_from=path),
    'of the model, the old way': lambda path: dict(model=dict(pretrained=path)),
    'of the backbone': lambda path: dict(model=dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=path)))),
}


@pytest.mark.parametrize('place', WEIGHTS)
def test_weights_at_any_place_enter_by_their_content_alone(tmp_path, place):
    def keys(name, content):
        path = tmp_path / name
        path.write_bytes(content)
        return keys_of(base=changed_base(**WEIGHTS[place](str(path))))

    first = keys('a.pth', b'one')
    assert moved(first, keys('b.pth', b'one')) == set()
    assert moved(first, keys('a.pth', b'another')) == ALL - {'profile'}
    assert moved(first, keys_of(base=changed_base(**WEIGHTS[place]('torchvision://resnet18')))) == ALL - {'profile'}


def test_two_files_of_one_name_are_two_files(tmp_path):
    def keys(first, second):
        for folder, content in (('a', first), ('b', second)):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / 'weights.pth').write_bytes(content)
        start = dict(type='Pretrained', checkpoint=str(tmp_path / 'a' / 'weights.pth'))
        return keys_of(
            base=changed_base(load_from=str(tmp_path / 'b' / 'weights.pth'), model=dict(backbone=dict(init_cfg=start)))
        )

    first = keys(b'one', b'two')
    assert moved(first, keys(b'other', b'two')) == moved(first, keys(b'one', b'other')) == ALL - {'profile'}
    assert moved(first, keys(b'two', b'one')) == ALL - {'profile'}
    assert keys(b'one', b'two') == first


def test_weights_are_read_once_for_all_stacks(tmp_path, monkeypatch):
    (tmp_path / 'weights.pth').write_bytes(b'read me once')
    reads = []
    whole = hashlib.file_digest
    monkeypatch.setattr('hashlib.file_digest', lambda *arguments: reads.append(1) or whole(*arguments))
    plan_of([(), FULL], base=changed_base(load_from=str(tmp_path / 'weights.pth')))
    assert reads == [1]


def test_other_names_of_the_test_images_predict_anew(before):
    assert moved(before, keys_of(names=lambda dataset: 'b, a')) == {'predict', 'refine'}
    assert (
        moved(before, keys_of(names=lambda dataset: f'{"wrapped" if dataset["type"] == "PairedDataset" else "a, b"}'))
        == set()
    )


@pytest.mark.parametrize(
    'value, place', [(object(), 'model.backbone.thing'), ([1, lambda x: x], 'model.backbone.thing.1')]
)
def test_a_value_known_by_its_address_alone_is_refused(value, place):
    with pytest.raises(BadInput, match=f"the config's '{place}' is .* which is another one in every process"):
        keys_of(base=changed_base(model=dict(backbone=dict(thing=value))))


def test_the_context_enters(before):
    assert moved(before, keys_of(versions=dict(torch='2.14', mmseg='1.4'))) == ALL
    assert moved(before, keys_of(device_type='cuda')) == ALL
    assert moved(before, keys_of(hardware='another processor')) == {'profile'}


def test_each_seed_has_keys_of_its_own():
    plan = plan_of([FULL], seeds=[0, 1])
    first, second = plan.cells
    assert not {key for _, key in first.steps} & {key for _, key in second.steps}
    assert plan.count('profile') == 1


def test_the_order_of_a_stack_does_not_enter():
    for stack in itertools.islice(itertools.permutations(FULL), 0, 120, 29):
        assert keys_of(stack) == keys_of()


def test_imports_do_not_enter(before):
    base = baseline()
    base['custom_imports']['imports'].append('plugins.losses.focal')
    assert keys_of(base=base) == before


def test_a_plan_changes_none_of_its_configs():
    base = baseline()
    original = copy.deepcopy(base)
    plan_of([(), FULL], base=base, seeds=[0, 1])
    assert base == original


REGISTER = 'from mmseg.registry import {registry}\n\n@{registry}.register_module()\nclass {name}:\n'
SOURCES = {
    'head': 'from {package}.shared import f\n' + REGISTER.format(registry='MODELS', name='NewHead') + '    x = f\n',
    'preprocessor': REGISTER.format(registry='MODELS', name='NewPreprocessor') + '    """Doc."""\n    x = 1\n',
    'view': REGISTER.format(registry='TRANSFORMS', name='NewView') + '    x = 1\n',
    'refinement': REGISTER.format(registry='TRANSFORMS', name='NewRefinement') + '    x = 1\n',
    'test_hook': (
        REGISTER.format(registry='HOOKS', name='NewHook') + '    def before_test(self, runner):\n        x = 1\n'
    ),
    'shared': 'def f():\n    """Doc."""\n    x = 1  # comment\n',
    'unused': 'x = 1\n',
    '__init__': '',
}


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """(folder, technique) of a plugin package that puts something into each stage."""
    name = f'anothers_plugins_{next(numbers)}'
    (tmp_path / name).mkdir()
    for file, text in SOURCES.items():
        (tmp_path / name / f'{file}.py').write_text(text.replace('{package}', name))
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    overlay = dict(
        model=dict(decode_head=dict(type='NewHead'), data_preprocessor=dict(type='NewPreprocessor')),
        custom_hooks=dict(_insert_=[dict(type='NewHook')]),
        inference=dict(views=dict(new=dict(type='NewView')), refine=dict(new=dict(type='NewRefinement'))),
    )
    modules = [f'{name}.{file}' for file in ('head', 'preprocessor', 'view', 'refinement', 'test_hook')]
    return tmp_path / name, Technique('new', 'new', '', overlay, imports=modules)


@pytest.mark.parametrize(
    'file, old, new, expected',
    [
        ('head', 'x = f', 'y = f', ALL),
        ('shared', 'x = 1', 'x = 2', ALL),
        ('preprocessor', 'x = 1', 'x = 2', ALL),
        ('view', 'x = 1', 'x = 2', ALL - {'train'}),
        ('test_hook', 'x = 1', 'x = 2', ALL - {'train'}),
        ('refinement', 'x = 1', 'x = 2', {'refine', 'profile'}),
        ('unused', 'x = 1', 'x = 2', set()),
        ('shared', '# comment', '# another', set()),
        ('shared', '"""Doc."""', '"""Another."""', set()),
        ('preprocessor', '"""Doc."""', '"""Another."""', set()),
    ],
)
def test_a_line_of_a_plugin_reruns_the_stages_that_reach_it(plugin, file, old, new, expected):
    folder, technique = plugin
    stages = dict(stack=('new',), techniques=dict(new=technique))
    unchanged = keys_of((), imports=technique.imports)
    first = keys_of(**stages)
    path = folder / f'{file}.py'
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert moved(first, keys_of(**stages)) == expected
    assert keys_of((), imports=technique.imports) == unchanged


LAB = dict(
    head=('import lab_utils', ALL),
    preprocessor=('from lab_utils import SCALE', ALL),
    view=('def later():\n    import lab_utils', ALL - {'train'}),
    test_hook=('import importlib\nlab = importlib.import_module("lab_utils")', ALL - {'train'}),
    refinement=('from lab import SCALE', {'refine', 'profile'}),
    unused=('import lab_utils', set()),
)


@pytest.mark.parametrize('file', LAB)
def test_a_module_beside_the_plugin_reruns_the_stages_that_reach_it(plugin, file):
    """The plugin imports the module of another package, or of none, as a user's own ``lab_utils`` is."""
    folder, technique = plugin
    lab = folder.parent / f'lab_utils_{folder.name}.py'
    lab.write_text('"""Doc."""\nSCALE = 1.0\n')
    space = folder.parent / f'lab_{folder.name}'  # a package that hands on what another module defines
    space.mkdir()
    (space / '__init__.py').write_text(f'from .scales import *\nfrom {lab.stem} import SCALE\n')
    (space / 'scales.py').write_text('')
    line, expected = LAB[file]
    line = line.replace('lab_utils', lab.stem).replace('from lab import', f'from {space.name} import')
    path = folder / f'{file}.py'
    path.write_text(f'{line}\n{path.read_text()}')
    importlib.invalidate_caches()
    stages = dict(stack=('new',), techniques=dict(new=technique))
    first = keys_of(**stages)
    lab.write_text('"""Another."""\nSCALE = 1.0\n')
    assert keys_of(**stages) == first
    lab.write_text('"""Doc."""\nSCALE = -1.0\n')
    assert moved(first, keys_of(**stages)) == expected


def test_a_data_set_or_loss_that_imports_a_module_reruns_its_stages(tmp_path, monkeypatch, before):
    lab = tmp_path / f'lab_utils_{next(numbers)}.py'
    lab.write_text('SCALE = 1.0\n')
    own = tmp_path / f'own_{next(numbers)}.py'
    own.write_text(
        f'import {lab.stem}\nfrom mmseg.registry import DATASETS, MODELS\n\n'
        '@DATASETS.register_module()\nclass OwnData:\n    pass\n\n'
        '@MODELS.register_module()\nclass OwnLoss:\n    pass\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    loss = dict(model=dict(decode_head=dict(loss_decode=dict(_delete_=True, type='OwnLoss'))))
    data = dict(test_dataloader=dict(dataset=dict(type='OwnData')))

    def keys(change):
        return keys_of((), base=changed_base(**change), imports=[own.stem])

    first = [keys(change) for change in (loss, data, {})]
    lab.write_text('SCALE = -1.0\n')
    again = [keys(change) for change in (loss, data, {})]
    assert [moved(old, new) for old, new in zip(first, again)] == [{'train', 'predict'}, {'predict', 'profile'}, set()]


def test_every_registered_type_of_a_stack_reaches_its_code():
    """No plugin of the quickstart is left out of the keys because of the place where its type stands."""
    plan = plan_of([FULL])
    cell = plan.cells[0]
    code = [name for _, key in cell.steps for name in plan.stages[key].ingredients if name.startswith('code ')]
    # The protocol imports this module for stacks with an `ensemble`, of which this is none.
    for module in set(cell.config['custom_imports']['imports']) - {'plugins.hooks.ensemble'}:
        assert f'code {module}' in code, module


def test_what_changed_names_the_ingredients():
    plans = [plan_of([()], base=changed_base(optim_wrapper=dict(optimizer=dict(lr=lr)))) for lr in (1e-3, 1e-4)]
    first, second = ({stage.kind: stage for stage in plan.stages.values()} for plan in plans)
    assert what_changed(first['train'].ingredients, second['train'].ingredients) == ['config optim_wrapper']
    assert what_changed(first['predict'].ingredients, second['predict'].ingredients) == ['parent train']
    assert what_changed(dict(a='1', b='2'), dict(a='1', c='2')) == ['b', 'c']
    assert what_changed(dict(a='1'), dict(a='1')) == []


def test_stages_are_frozen():
    stage = next(iter(plan_of([()]).stages.values()))
    with pytest.raises(dataclasses.FrozenInstanceError):
        stage.key = 'x'


def request(grid=QUICKSTART, **options):
    return read_request(grid, Settings(Path('nowhere'), CONFIGS, 'cpu', cfg_options=options))


@pytest.mark.parametrize(
    'option, value, message',
    [
        ('default_hooks.checkpoint.interval', 5, 'the protocol that every arm gets decides it'),
        ('val_dataloader.batch_size', 2, 'the protocol that every arm gets decides it'),
        ('resume', True, 'the protocol that every arm gets decides it'),
        ('work_dir', 'elsewhere', 'setting it changes nothing, --work-dir decides it'),
        ('randomness.seed', 3, 'setting it changes nothing, --seeds decides it'),
        ('train_cfg.max_iters', 250, 'the baseline already has the value 250'),
        ('train_dataloader.dataset.pipeline.3.prob', 0.5, 'the baseline already has the value 0.5'),
        ('model.data_preprocessor.size', [64, 64], 'the baseline already has the value'),
    ],
)
def test_options_that_would_be_dead_are_refused_with_the_reason(option, value, message):
    with pytest.raises(BadInput, match=f'--cfg-options {option}: .*{message}'):
        request(**{'log_level': 'DEBUG', option: value, 'train_cfg.val_interval': 7})


def test_options_that_reach_a_config_are_accepted():
    found = request(
        **{
            'log_level': 'DEBUG',
            'default_hooks.logger.interval': 3,
            'randomness.deterministic': True,
            'train_dataloader.dataset.pipeline.3.prob': 0.25,
        }
    )
    for config in found.stacks.paired.values():
        assert config['log_level'] == 'DEBUG' and config['default_hooks']['logger']['interval'] == 3
        assert config['randomness'] == dict(deterministic=True)
        assert config['train_dataloader']['dataset']['dataset']['pipeline'][3]['prob'] == 0.25


def test_a_stack_whose_name_no_file_can_have_is_refused(tmp_path):
    names = [f'{letter * 66}' for letter in 'abc']
    (tmp_path / 'techniques').mkdir()
    for name in names:
        (tmp_path / 'techniques' / f'{name}.py').write_text(
            f"title = 'x'\ndescription = 'x'\noverlay = dict(model=dict(decode_head=dict({name}=1)))\n"
        )
    shutil.copytree(CONFIGS / '_base_', tmp_path / '_base_')
    grid = dataclasses.replace(QUICKSTART, designs=[dict(type='cumulative', techniques=names)], published_dice={})
    settings = Settings(tmp_path, tmp_path, 'cpu')
    assert len(read_request(grid, settings).stacks.paired) == 4  # 3 × 66 + 2 = 200 bytes
    (tmp_path / 'techniques' / f'{names[2]}.py').rename(tmp_path / 'techniques' / f'{names[2]}é.py')
    names[2] += 'é'
    with pytest.raises(BadInput, match='has a name of 202 bytes.* give its techniques shorter names'):
        read_request(grid, settings)


@pytest.mark.parametrize('of_grid, of_command, asked', [(None, None, None), (20, None, 20), (20, 5, 5), (None, 5, 5)])
def test_the_command_line_goes_before_the_grid_in_the_number_of_trials(of_grid, of_command, asked, tmp_path):
    grid = dataclasses.replace(QUICKSTART, tune=of_grid)
    assert trials_asked(grid, Settings(tmp_path, CONFIGS, 'cpu', tune=of_command)) == asked
    if of_command is None:
        assert read_request(grid, Settings(tmp_path, CONFIGS, 'cpu')).stacks.trials == (asked or 0)


@pytest.mark.parametrize(
    'field, message',
    [
        ('equivalence_margin = -0.1', "'equivalence_margin' is -0.1; give percent points, or pixels of a distance"),
        ("equivalence_margin = float('nan')", "'equivalence_margin' is nan"),
        ('equivalence_margin = True', "'equivalence_margin' is True"),
        ("published_dice = dict(baseline='85')", "published_dice of 'baseline' is '85'; give a number in percent"),
        ('published_dice = dict(baseline=None)', "published_dice of 'baseline' is None"),
        ("published_dice = dict(baseline=float('inf'))", "published_dice of 'baseline' is inf"),
        ('tune = 1', "'tune' is 1; give a number from 2 on: the first trial has the own values"),
        ('tune = True', "'tune' is True; give a number"),
        ("tune = '20'", "'tune' is '20'; give a number of trials without quotes"),
        ('equivalence_margin = 0\npublished_dice = dict(baseline=85)', None),
    ],
)
def test_numbers_of_a_grid_are_checked_when_it_is_read(tmp_path, field, message):
    path = tmp_path / 'grid.py'
    path.write_text(f"title = 'x'\nbaseline = 'mmseg::x.py'\ndesigns = []\n{field}\n")
    if message is None:
        assert read_grid(path).equivalence_margin == 0 and read_grid(path).published_dice == dict(baseline=85)
    else:
        with pytest.raises(BadInput, match=message):
            read_grid(path)


@pytest.mark.parametrize(
    'stack, seed, role, label',
    [
        ((), 0, '', 'baseline__seed0'),
        (('x', 'y'), 2, '', 'x+y__seed2'),
        (('x',), None, '', 'x'),
        (('x',), 0, 'member 2', 'x__seed0 member 2'),
        (('x',), 0, 'member 2 teacher', 'x__seed0 member 2 teacher'),
    ],
)
def test_a_stages_label_is_its_cell_or_stack_and_its_role(stack, seed, role, label):
    assert Stage('train', 'k', stack, seed, role, {}, (), {}).label == label


def test_a_stage_knows_the_stack_and_seed_that_ask_for_it_first():
    plan = plan_of([(), FULL], seeds=[0, 1])
    known = {(stage.kind, stage.stack, stage.seed, stage.role) for stage in plan.stages.values()}
    cells = [((), 0), ((), 1), (FULL, 0), (FULL, 1)]
    assert known == {
        *((kind, *cell, '') for kind in ('train', 'predict') for cell in cells),
        *(('refine', *cell, '') for cell in cells[2:]),
        *(('profile', stack, None, '') for stack in ((), FULL)),
    }


CHAINS = {
    'one network': ('train predict', [0], None),
    'refined': ('train predict refine', [0], 2),
    'ensemble': ('train train combine predict', [0, 1], None),
    'teacher and student': ('train label train predict refine', [2], 4),
    'ensemble of students': ('train label train train label train combine predict', [2, 5], None),
}


@pytest.mark.parametrize('name', CHAINS)
def test_a_cell_is_described_by_its_steps(name):
    kinds, networks, refine = CHAINS[name]
    steps = tuple((kind, f'k{n}') for n, kind in enumerate(kinds.split()))
    cell = Cell((), 3, {}, steps)
    predict = kinds.split().index('predict')
    assert cell.before_predict == steps[:predict] and cell.weights == steps[predict - 1]
    assert cell.networks == [f'k{n}' for n in networks] and cell.train == cell.networks[0]
    assert cell.predict == f'k{predict}' and cell.refine == (refine and f'k{refine}')
    assert cell.tested == steps[-1][1] and cell.name == 'baseline__seed3'
