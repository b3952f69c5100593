"""The contracts between harness and plugins (benchmarks/stages/contracts.py) against the classes that must fulfil them.

Each check is a function that returns complaints. Planted classes that break a contract show that the check can fail.
"""

import ast
import importlib
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmseg.datasets import BaseSegDataset
from torch import nn

from benchmarks.kinds import KINDS
from benchmarks.stages import combine, contracts, maps
from benchmarks.stages.parents import CHECKPOINT
from plugins.hooks import ensemble
from plugins.hooks.ensemble import EnsembleHook
from plugins.hooks.inference import InferenceHook, InferenceModel
from plugins.views import merge

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / 'benchmarks' / 'stages' / 'contracts.py'
NAMES = dict(Sequence=Sequence, Mapping=Mapping, np=np, Tensor=torch.Tensor, SegDataSample=object)


# --- the checks


def methods(contract):
    """Names of a contract's methods."""
    own = {name for kind in contract.__mro__ if kind.__module__ == contracts.__name__ for name in vars(kind)}
    return sorted(
        name
        for name in own - {'__init__', '__subclasshook__', '__class_getitem__'}
        if callable(getattr(contract, name)) and name != '_is_protocol'
    )


def attributes(contract):
    """A contract's attributes, with their types."""
    return {
        name: hint
        for name, hint in get_type_hints(contract, localns=NAMES).items()
        if not name.startswith('_') and not callable(getattr(contract, name, None))
    }


def complaints_of_methods(subject, contract):
    """Methods of a contract that a class or module lacks, or whose parameters do not accept the harness's calls."""
    found = []
    for name in methods(contract):
        given = inspect.getattr_static(subject, name, None)
        if given is None or not callable(getattr(subject, name)):
            found.append(f'has no {name}')
            continue
        wanted = inspect.getattr_static(contract, name)
        if isinstance(wanted, staticmethod) != isinstance(given, staticmethod) and isinstance(wanted, staticmethod):
            found.append(f'{name} is not static')
        found += _refused_call(subject, name, getattr(contract, name), isinstance(wanted, staticmethod))
    return found


def _refused_call(subject, name, wanted, wanted_is_static):
    """A call with the contract's parameters, positional where the contract has them so, by name otherwise."""
    parameters = list(inspect.signature(wanted).parameters.values())
    parameters = parameters if wanted_is_static else parameters[1:]
    signature = inspect.signature(getattr(subject, name))
    bound = inspect.isclass(subject) and not isinstance(inspect.getattr_static(subject, name), staticmethod)
    positional = [None] * (bound + sum(p.kind is p.POSITIONAL_ONLY for p in parameters))
    by_name = {p.name: None for p in parameters if p.kind is not p.POSITIONAL_ONLY}
    try:
        signature.bind(*positional, **by_name)
        if by_name:  # such parameters may be given by position, too
            signature.bind(*positional, *by_name)
            places = list(signature.parameters)[bound:]
            if places[: len(by_name)] != list(by_name):
                return [f'{name} takes {places}']
    except TypeError as error:
        return [f'{name} {error}']
    return []


def is_of_type(value, hint):
    """Whether a value is of an annotated type, as far as contracts need it."""
    if hint is contracts.Kind:
        return value in get_args(hint)
    if get_args(hint) and not hasattr(hint, '__origin__'):  # a union
        return any(is_of_type(value, option) for option in get_args(hint))
    if hasattr(hint, '__origin__'):
        return isinstance(value, hint.__origin__) and all(is_of_type(item, get_args(hint)[0]) for item in value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def complaints_of_attributes(kind, contract_attributes):
    """Where a class's attribute of a contract's name has another type than the contract's."""
    found = []
    for name, hint in contract_attributes.items():
        if name not in vars(kind):
            continue
        value = vars(kind)[name]
        if isinstance(value, property):
            returned = get_type_hints(value.fget).get('return')
            fits = returned is hint or set(get_args(returned) or [returned]) <= set(get_args(hint) or [hint])
        else:
            fits = is_of_type(value, hint)
        if not fits:
            found.append(f'{kind.__name__}.{name}')
    return found


def reads(package):
    """Names of all attributes that a package's code reads, by a dot or by getattr and hasattr with a literal."""
    found = set()
    for path in sorted(package.glob('**/*.py')):
        if path == PAGE:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                found.add(node.attr)
            elif isinstance(node, ast.Call) and getattr(node.func, 'id', None) in ('getattr', 'hasattr'):
                found |= {argument.value for argument in node.args if isinstance(argument, ast.Constant)}
    return found


def classes():
    """All classes that are defined below plugins/."""
    found = []
    for path in sorted((ROOT / 'plugins').glob('**/*.py')):
        module = importlib.import_module(
            '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')
        )
        found += [
            kind for kind in vars(module).values() if inspect.isclass(kind) and kind.__module__ == module.__name__
        ]
    return found


PLUGINS = classes()
ROLES = [*contracts.READ_BY_HARNESS, *contracts.READ_BY_PLUGINS]
ALL_ATTRIBUTES = {name: hint for contract in ROLES for name, hint in attributes(contract).items()}


def with_members(*names):
    return [kind for kind in PLUGINS if all(hasattr(kind, name) for name in names)]


# --- the inference model and the stages


def test_the_inference_model_fulfils_its_contract():
    assert {'merged_maps', 'labels', 'refine', 'refine_all', 'add_variant', 'watch_views', 'test_step'} == set(
        methods(contracts.InferenceModel)
    )
    assert complaints_of_methods(InferenceModel, contracts.InferenceModel) == []
    assert isinstance(InferenceModel.__new__(InferenceModel), contracts.InferenceModel)


class Lacking:
    merged_maps = labels = refine = add_variant = watch_views = InferenceModel.labels
    refine_all = InferenceModel.refine_all


class Renamed(InferenceModel):
    def refine(self, q):
        """It no longer takes the image's path."""


class Bound(InferenceModel):
    def refine_all(self, models, maps, img_path):
        """A method of an object, where the harness calls a static one."""


class Demanding(InferenceModel):
    def labels(self, q, threshold):
        """It asks for more than the harness gives."""


@pytest.mark.parametrize(
    'planted, complaint',
    [
        (Lacking, 'has no test_step'),
        (Renamed, 'refine too many positional'),
        (Bound, 'refine_all is not static'),
        (Demanding, "labels missing a required argument: 'threshold'"),
    ],
)
def test_a_planted_model_is_found(planted, complaint):
    found = complaints_of_methods(planted, contracts.InferenceModel)
    assert any(complaint in line for line in found), found
    if planted is Lacking:
        assert not isinstance(Lacking(), contracts.InferenceModel)


def test_every_stage_module_fulfils_its_contract():
    for kind in KINDS:
        module = importlib.import_module(f'benchmarks.stages.{kind.name}')
        shares = kind.shares is not None
        assert complaints_of_methods(module, contracts.SharedPassModule if shares else contracts.StageModule) == [], (
            kind
        )
        assert isinstance(module, contracts.SharedPassModule) == shares, kind


class StageWithoutDevice:
    @staticmethod
    def run(config, folder, parents):
        """It cannot be told the device."""


class StageInAnotherOrder:
    @staticmethod
    def run(folder, config, parents, device):
        """It takes the folder first."""


@pytest.mark.parametrize(
    'planted, complaint',
    [
        (StageWithoutDevice, "run got an unexpected keyword argument 'device'"),
        (StageInAnotherOrder, "run takes ['folder', 'config', 'parents', 'device']"),
    ],
)
def test_a_planted_stage_is_found(planted, complaint):
    assert complaints_of_methods(planted, contracts.StageModule) == [complaint]
    assert complaints_of_methods(planted, contracts.SharedPassModule) == [complaint, 'has no run_together']


# --- the plugins


def test_plugins_give_their_attributes_the_right_types():
    assert set(ALL_ATTRIBUTES) >= {
        'acted',
        'acted_of_variants',
        'yields_draws',
        'tests_all_members',
        'changes_image_file',
        'wraps',
        'plain_logits',
        'takes',
        'gives',
        'needs_image',
    }
    assert [line for kind in PLUGINS for line in complaints_of_attributes(kind, ALL_ATTRIBUTES)] == []
    for name in ALL_ATTRIBUTES.keys() - {'acted', 'acted_of_variants'}:
        assert any(name in vars(kind) for kind in PLUGINS), f'no plugin has {name}'


class WrongTypes:
    acted = 1.5
    acted_of_variants = [3, 'two']
    takes = 'logits'
    gives = None
    needs_image = 'no'
    wraps = None
    yields_draws = 1
    tests_all_members = 'all'
    changes_image_file = 'True'

    @property
    def plain_logits(self) -> str:
        """A text is no answer to a yes-or-no question."""


class RightTypes:
    acted = None
    acted_of_variants = (3, None)
    takes = 'labels'
    needs_image = False
    wraps = 'head'


def test_planted_attributes_are_found():
    wrong = [f'WrongTypes.{name}' for name in sorted(ALL_ATTRIBUTES)]  # each of them
    assert sorted(complaints_of_attributes(WrongTypes, ALL_ATTRIBUTES)) == wrong
    assert complaints_of_attributes(RightTypes, ALL_ATTRIBUTES) == []


def counts_in_source(kind):
    """The values that a class's own methods assign to ``self.acted``, as syntax trees."""
    tree = ast.parse(inspect.cleandoc('\n' + inspect.getsource(kind)))
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, 'target', None)]
        for target in targets:
            if isinstance(target, ast.Attribute) and target.attr == 'acted':
                yield node


def test_counters_count_in_integers():
    counting = [kind for kind in PLUGINS if 'acted' in vars(kind) or list(counts_in_source(kind))]
    assert len(counting) >= 15
    for kind in counting:
        for node in counts_in_source(kind):
            constants = [leaf.value for leaf in ast.walk(node.value or node) if isinstance(leaf, ast.Constant)]
            assert all(value is None or isinstance(value, (bool, int, str)) for value in constants), kind
            if isinstance(node, ast.AnnAssign):
                assert ast.unparse(node.annotation) in ('int | None', 'int', 'Optional[int]'), kind


def test_hooks_that_check_take_the_config():
    checking = [kind for kind in with_members('check') if issubclass(kind, Hook)]
    assert {EnsembleHook, InferenceHook} <= set(checking)
    for kind in checking:
        assert isinstance(kind.__new__(kind), contracts.CheckingHook)
        assert complaints_of_methods(kind, contracts.CheckingHook) == [], kind


class ChecksWithRunner(Hook):
    def check(self, config, runner):
        """No runner exists before a training."""


def test_planted_hooks_are_found():
    assert complaints_of_methods(Hook, contracts.CheckingHook) == ['has no check']
    assert complaints_of_methods(ChecksWithRunner, contracts.CheckingHook) == [
        "check missing a required argument: 'runner'"
    ]


def test_data_sets_fulfil_their_contract():
    kinds = [BaseSegDataset, *(kind for kind in PLUGINS if issubclass(kind, BaseSegDataset))]
    assert len(kinds) >= 3
    for kind in kinds:
        assert complaints_of_methods(kind, contracts.ImageDataset) == [], kind
    assert complaints_of_methods(torch.utils.data.TensorDataset, contracts.ImageDataset) == ['has no get_data_info']


@pytest.mark.parametrize(
    'contract, names, least',
    [
        (contracts.View, ('forward', 'inverse'), 5),
        (contracts.Refinement, ('takes', 'gives'), 4),
        (contracts.ImageAwareRefinement, ('needs_image',), 4),
        (contracts.BatchRefinement, ('transform_many',), 1),
    ],
)
def test_views_and_refinements_fulfil_their_contracts(contract, names, least):
    kinds = with_members(*names)
    assert len(kinds) >= least
    for kind in kinds:
        assert complaints_of_methods(kind, contract) == [], kind
        assert set(attributes(contract)) <= set(dir(kind)), kind


class OneWay:
    def forward(self, image):
        """A view that cannot be undone."""


class NeedsMore:
    takes = gives = 'labels'

    def __call__(self, results, image):
        """It asks for more than the chain gives."""


def test_planted_views_and_refinements_are_found():
    assert complaints_of_methods(OneWay, contracts.View) == ['has no inverse']
    for contract in (contracts.Refinement, contracts.ImageAwareRefinement, contracts.BatchRefinement):
        assert "__call__ missing a required argument: 'image'" in complaints_of_methods(NeedsMore, contract)
    assert 'has no transform_many' in complaints_of_methods(NeedsMore, contracts.BatchRefinement)
    assert complaints_of_methods(NeedsMore, contracts.Refinement) == ["__call__ missing a required argument: 'image'"]
    assert not isinstance(OneWay(), contracts.View)


# --- the page itself


def dead(contract_group, read):
    """Members of contracts that nobody reads."""
    return sorted(
        {
            name
            for contract in contract_group
            for name in [*methods(contract), *attributes(contract)]
            if not name.startswith('__') and name not in read
        }
    )


def test_no_contract_is_dead():
    harness, plugins = reads(ROOT / 'benchmarks'), reads(ROOT / 'plugins')
    assert dead([*contracts.READ_BY_HARNESS, *contracts.STAGES], harness) == []
    assert dead(contracts.READ_BY_PLUGINS, plugins) == []


class Forgotten(contracts.EffectCounter):
    never_read_by_anybody: int


def test_a_dead_contract_is_found():
    Forgotten.__module__ = contracts.__name__
    assert dead([Forgotten], reads(ROOT / 'benchmarks')) == ['never_read_by_anybody']


def test_every_contract_is_listed_at_the_top_of_the_page():
    defined = {name for name, kind in vars(contracts).items() if getattr(kind, '__module__', '') == contracts.__name__}
    listed = {line.split('`')[1] for line in contracts.__doc__.splitlines() if line.startswith(':class:')}
    assert listed == {name for name in defined if inspect.isclass(getattr(contracts, name))} - {
        'Checkpoint',
        'EnsembleMember',
    }


# --- numbers and files that both sides write


def test_both_sides_quantise_maps_alike():
    assert maps.SCALE == merge.LEVELS == np.iinfo(np.uint16).max
    probs = torch.rand(3, 4, 5)
    assert np.array_equal(merge.quantise(probs), np.rint(probs.numpy() * maps.SCALE).astype(np.uint16))


def bare_scales(root):
    """Places with the number itself, other than the two constants."""
    return [
        f'{path.relative_to(root).as_posix()}:{node.lineno}'
        for path in sorted([*root.glob('benchmarks/**/*.py'), *root.glob('plugins/**/*.py')])
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value == maps.SCALE and not isinstance(node.value, str)
    ]


def test_the_scale_of_maps_is_written_in_two_places_alone():
    files = [place.partition(':')[0] for place in bare_scales(ROOT)]
    assert files == ['benchmarks/stages/maps.py', 'plugins/views/merge.py']


def test_a_bare_scale_is_found(tmp_path):
    (tmp_path / 'plugins').mkdir()
    (tmp_path / 'plugins' / 'a.py').write_text('X = 3\nY = X * 65535\n')
    assert bare_scales(tmp_path) == ['plugins/a.py:2']


def structure(node):
    """Keys and types of a checkpoint, without the tensors' values."""
    if isinstance(node, Mapping):
        return {key: structure(value) for key, value in node.items()}
    if isinstance(node, list):
        return [structure(value) for value in node]
    return tuple(node.shape) if isinstance(node, torch.Tensor) else node


def test_both_writers_of_ensembles_write_the_same(tmp_path):
    models = [nn.Linear(2, 3), nn.Linear(2, 3)]
    config = dict(model=dict(type='A', size=(2, 3)), ensemble=dict(seeds=2))
    members = [
        dict(state_dict=dict(model.state_dict()), meta=dict(epoch=number)) for number, model in enumerate(models)
    ]
    folders = [tmp_path / str(number) for number in range(2)]
    for folder, checkpoint in zip(folders, members):
        folder.mkdir()
        torch.save(checkpoint, folder / CHECKPOINT)
    combine.run(config, tmp_path, {'train 1': folders[0], 'train 2': folders[1]}, 'cpu')
    ours = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    theirs = ensemble.combine([(checkpoint, config['model']) for checkpoint in members])
    assert structure(ours) == structure(theirs)
    assert set(ours) == set(get_type_hints(contracts.EnsembleCheckpoint, localns=NAMES))
    (rows,) = {tuple(sorted(row)) for row in ours['ensemble']}
    assert set(rows) == set(get_type_hints(contracts.EnsembleMember, localns=NAMES))
    assert [len(ensemble._members_of(str(tmp_path / CHECKPOINT))), len(ours['ensemble'])] == [2, 2]
    assert structure({**theirs, 'ensemble': theirs['ensemble'][1:]}) != structure(ours)
