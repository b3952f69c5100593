"""Is a technique or a stack legal? Each step of the one sequence, and what the steps say of ensemble members."""

from pathlib import Path

import pytest

from benchmarks.errors import BadInput
from benchmarks.files import digest
from benchmarks.preflight import stack as steps
from benchmarks.preflight.stack import check_stack, check_technique, import_and_register
from benchmarks.stacks.compose import compose, load_config, strip_helpers
from benchmarks.stacks.protocol import apply_protocol, pair_training_data
from benchmarks.stacks.several_networks import each_training
from benchmarks.stacks.technique import Technique

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
PROTOCOL = load_config(CONFIGS / '_base_' / 'protocol.py')
FASTER = dict(optim_wrapper=dict(optimizer=dict(lr=0.3)))
WIDER = dict(model=dict(decode_head=dict(channels=8)))


@pytest.fixture(scope='module')
def base():
    whole = load_config(CONFIGS / 'baselines' / 'unet_small_icbm152.py')
    return apply_protocol(strip_helpers(whole), PROTOCOL, 'cpu')[0]


@pytest.fixture(scope='module')
def registries(base):
    return import_and_register({}, base)


def technique(**overlay):
    return Technique('odd', 'Odd', '', overlay, imports=['plugins.hooks.ensemble'])


TESTS_ALL = dict(custom_hooks=dict(_insert_=[dict(type='EnsembleHook')]))


def ensemble(*overlays):
    return technique(ensemble=dict(members=list(overlays)), **TESTS_ALL)


def put_on(base, row):
    """The config with a technique, before and after its training data are paired."""
    unpaired = compose(base, (row.name,), {row.name: row})
    return unpaired, each_training(unpaired, lambda network: pair_training_data(network, PROTOCOL))


def test_a_module_that_cannot_be_imported_is_named_with_its_technique(base):
    row = Technique('odd', 'Odd', '', {}, imports=['plugins.there_is_none'])
    with pytest.raises(BadInput, match="technique 'odd' imports 'plugins.there_is_none', which fails"):
        import_and_register({'odd': row}, base)


def test_keys_of_the_overlay_are_checked(base, registries):
    check_technique(technique(**WIDER), base, put_on(base, technique(**WIDER))[0], registries)
    row = technique(model=dict(decode_head=dict(chanels=8)))
    with pytest.raises(BadInput, match="technique 'odd': .* 'FCNHead' takes no 'chanels'; did you mean 'channels'"):
        check_technique(row, base, put_on(base, row)[0], registries)


@pytest.mark.parametrize('number', [1, 2])
def test_keys_of_each_ensemble_member_are_checked_and_members_count_from_one(base, registries, number):
    legal = ensemble(WIDER, {})
    check_technique(legal, base, put_on(base, legal)[0], registries)
    overlays = [{}, {}]
    overlays[number - 1] = dict(model=dict(decode_head=dict(chanels=8)))
    row = ensemble(*overlays)
    with pytest.raises(BadInput, match=f"technique 'odd', member {number}: .* did you mean 'channels'"):
        check_technique(row, base, put_on(base, row)[0], registries)


def test_the_networks_of_a_stack_are_counted_each_by_its_model(base, registries):
    unpaired, paired = put_on(base, ensemble(WIDER, {}))
    models = [member['model'] for member in unpaired['ensemble']['members']]
    sizes = check_stack(unpaired, paired, 'the stack', registries)
    assert sizes.keys() == set(map(digest, models)) and len(set(sizes.values())) == 2


@pytest.mark.parametrize('way', [dict(seeds=2), dict(members=[{}, WIDER])])
def test_an_ensemble_of_which_the_first_network_alone_is_tested_is_refused(base, registries, way):
    without = Technique('odd', 'Odd', '', dict(ensemble=way))
    with pytest.raises(BadInput) as refused:
        check_stack(*put_on(base, without), 'the stack', registries, runs_next=True)
    (mistake,) = refused.value.args
    assert mistake.startswith("the stack: 'ensemble' trains several networks, and no hook")
    assert "custom_hooks=dict(_insert_=[dict(type='EnsembleHook')])" in mistake
    assert "'plugins.hooks.ensemble'" in mistake
    check_stack(*put_on(base, technique(ensemble=way, **TESTS_ALL)), 'the stack', registries, runs_next=True)


def test_a_member_that_does_not_build_is_named(base, registries):
    unpaired, paired = put_on(base, ensemble({}, dict(model=dict(decode_head=dict(num_convs='two')))))
    with pytest.raises(BadInput, match='the stack member 2 does not build'):
        check_stack(unpaired, paired, 'the stack', registries)


LATER_STEPS = {
    'pairing of samples': (dict(train_dataloader=dict(sampler=dict(type='object'))), "'train_dataloader.sampler' is"),
    'loaders': (dict(train_dataloader=dict(prefetch_factor=2, num_workers=0)), "'train_dataloader' cannot be built"),
    'initial weights': (dict(load_from='/nowhere/weights.pth'), 'a file that does not exist'),
}


@pytest.mark.parametrize('step', LATER_STEPS)
def test_the_steps_behind_building(base, registries, step):
    change, message = LATER_STEPS[step]
    unpaired, paired = put_on(base, technique(**WIDER))
    for key, value in change.items():
        paired[key] = {**paired[key], **value} if isinstance(value, dict) else value
    with pytest.raises(BadInput, match=f'the stack: .*{message}'):
        check_stack(unpaired, paired, 'the stack', registries)


def test_all_steps_tell_their_mistakes_and_members_share_equal_ones(base, registries):
    unpaired, paired = put_on(base, ensemble(WIDER, {}))
    for member in paired['ensemble']['members']:
        for key, value in dict(load_from='/nowhere/weights.pth', randomness=dict(diff_rank_seed=True)).items():
            member[key] = value
    with pytest.raises(BadInput) as refused:
        check_stack(unpaired, paired, 'the stack', registries)
    first, second = refused.value.args
    assert first.startswith("the stack member 1: 'randomness.diff_rank_seed'")
    assert second.startswith("the stack member 1: 'load_from'")


def test_keys_of_the_overlay_and_of_all_members_are_told_at_once(base, registries):
    illegal = dict(model=dict(decode_head=dict(chanels=8)))
    row = technique(ensemble=dict(members=[illegal, illegal | FASTER]), **illegal)
    with pytest.raises(BadInput) as refused:
        check_technique(row, base, put_on(base, row)[0], registries)
    origins = [mistake.partition(':')[0] for mistake in refused.value.args]
    assert origins == ["technique 'odd'", "technique 'odd', member 1", "technique 'odd', member 2"], refused.value.args


def test_all_modules_that_cannot_be_imported_are_named(base):
    row = Technique('odd', 'Odd', '', {}, imports=['plugins.there_is_none', 'plugins.nor_here'])
    with pytest.raises(BadInput) as refused:
        import_and_register({'odd': row}, base)
    assert len(refused.value.args) == 2


def test_a_stack_that_runs_next_is_not_built_twice_but_its_samples_must_be_paired(base, registries, monkeypatch):
    def refuse(*_):
        raise AssertionError('it is built by the run that follows')

    for name in ('check_builds', 'check_loaders', 'check_initial_weights'):
        monkeypatch.setattr(steps, name, refuse)
    unpaired, paired = put_on(base, technique(**WIDER))
    assert check_stack(unpaired, paired, 'the stack', registries, runs_next=True) == {}
    paired['train_dataloader'] = {**paired['train_dataloader'], 'sampler': dict(type='object')}
    with pytest.raises(BadInput, match='does not say when in a run a sample is drawn'):
        check_stack(unpaired, paired, 'the stack', registries, runs_next=True)
