"""Techniques that are broken on purpose, one of each kind: each is named with its cause, and the rest go on."""

import sys

import pytest

from benchmarks.check.command import files_to_check
from benchmarks.check.isolated import Crash, Job, run_isolated
from benchmarks.check.result import BROKEN, GOOD, NOT_CHECKED

IMPORTS = """
import os, sys, torch
import mmseg.registry as registry
from mmcv.transforms import BaseTransform
from mmengine.hooks import Hook
from mmseg.models.decode_heads import FCNHead
from mmseg.models.losses import CrossEntropyLoss
"""


def plugin(register, base, *body):
    """A module with one class, called as the technique that it is planted in."""
    lines = '\n    '.join(body)
    return f'{IMPORTS}\n@registry.{register}.register_module()\nclass NAME({base}):\n    {lines}\n'


def method(signature, *body):
    """The lines of a method."""
    return [f'def {signature}:', *(f'    {line}' for line in body)]


def initialised(*body):
    return method('__init__(self, **kwargs)', 'super().__init__(**kwargs)', *body)


def forward(*body):
    return method('forward(self, inputs)', *body)


def loss_of(*body):
    return method('forward(self, logits, *args, **kwargs)', 'loss = super().forward(logits, *args, **kwargs)', *body)


def head(*body, more=''):
    return plugin('MODELS', 'FCNHead', *(body or ['pass'])), f'dict(model=dict(decode_head=dict(type="NAME")){more})'


def loss(*body):
    return (
        plugin('MODELS', 'CrossEntropyLoss', *(body or ['pass'])),
        'dict(model=dict(decode_head=dict(loss_decode=dict(type="NAME"))))',
    )


def view(line):
    return (
        plugin(
            'TRANSFORMS',
            'object',
            *method('forward(self, image)', line),
            *method('inverse(self, maps, size)', 'return maps'),
        ),
        'dict(inference=dict(views=dict(planted=dict(type="NAME"))))',
    )


def hook(*body):
    return plugin('HOOKS', 'Hook', *body), 'dict(custom_hooks=dict(_insert_=[dict(type="NAME")]))'


def refinement(*body):
    return (
        plugin(
            'TRANSFORMS',
            'BaseTransform',
            'takes, gives = "probabilities", "labels"',
            *method('transform(self, results)', *body),
        ),
        'dict(inference=dict(refine=dict(planted=dict(order=10, type="NAME"))))',
    )


def transform(*body):
    return (
        plugin('TRANSFORMS', 'BaseTransform', *method('transform(self, results)', *body)),
        'dict(train_dataloader=dict(dataset=dict(pipeline=dict('
        '_insert_=[dict(type="NAME")], _after_="LoadAnnotations"))))',
    )


BEFORE_TRAIN = 'before_train(self, runner)'
TWICE = 'out = 1.5 * super().forward(inputs)'
RANDOM = 'int.from_bytes(os.urandom(4), "big")'
NOTHING = 'changes nothing'
# By the check that must fail; name: ((plugin, overlay), words of the cause).
PLANTED_BY_CHECK = dict(
    builds=dict(
        imports_nothing=(('import there_is_no_such_module\n', head()[1]), 'there_is_no_such_module'),
        imports_the_harness=(('import benchmarks.store\n' + head()[0], head()[1]), 'plain mmsegmentation'),
        does_not_parse=(('def\n', head()[1]), 'SyntaxError'),
        registers_nothing=(('', head()[1]), 'which nothing registers'),
        misspelt_key=(
            (head()[0], 'dict(model=dict(decode_head=dict(type="NAME", chanels=3)))'),
            "did you mean 'channels'",
        ),
        cannot_be_built=(head(*initialised('raise TypeError("planted")')), 'TypeError: planted'),
    ),
    trains=dict(
        raises_in_forward=(head(*forward('raise RuntimeError("planted")')), 'RuntimeError: planted (PLUGIN:'),
        raises_in_a_hook=(hook(*method(BEFORE_TRAIN, 'raise KeyError("planted")')), "KeyError: 'planted' (PLUGIN:"),
        raises_in_the_pipeline=(transform('raise OSError("planted")'), 'OSError: planted (PLUGIN:'),
        loss_is_nan=(loss(*loss_of('return loss * float("nan")')), 'the loss became nan'),
        gradient_is_nan=(
            loss(*loss_of('zero = (0 * logits).sum()', 'return loss + torch.where(zero > 1, zero.sqrt(), zero)')),
            'the gradient is not finite in step 1 at',
        ),
    ),
    learns=dict(
        adds_what_is_not_trained=(
            head(*initialised('self.gate = torch.nn.Parameter(torch.ones(3))')),
            'never get a gradient: decode_head.gate',
        ),
        adds_what_does_not_move=(
            head(
                *initialised('self.gate = torch.nn.Parameter(torch.ones(1))'),
                *forward('return super().forward(inputs) * self.gate'),
                more=', optim_wrapper=dict(paramwise_cfg=dict(custom_keys=dict(gate=dict(lr_mult=0.)))), '
                'param_scheduler=[dict(type="ConstantLR", by_epoch=False)]',
            ),
            'never move: decode_head.gate',
        ),
        cuts_the_backbone_off=(
            head(*forward('return super().forward([x.detach() for x in inputs])')),
            'that the baseline trains get no gradient any more',
        ),
    ),
    predicts=dict(
        predicts_nan=(
            head(*forward(TWICE, 'return out if self.training else out * float("nan")')),
            'FloatingPointError',
        ),
        raises_in_a_view=(view('raise ValueError("planted")'), 'ValueError: planted (PLUGIN:'),
        raises_in_a_refinement=(refinement('raise ValueError("planted")'), 'ValueError: planted (PLUGIN:'),
    ),
    acts=dict(
        head_that_does_nothing=(head(), NOTHING),
        loss_that_does_nothing=(loss(), NOTHING),
        view_that_does_nothing=(view('return image'), 'never acted: InferenceHook'),
        hook_that_does_nothing=(hook(*method(BEFORE_TRAIN, 'pass')), NOTHING),
        refinement_that_does_nothing=(refinement('del results["probs"]', 'return results'), NOTHING),
        transform_that_does_nothing=(transform('return results'), NOTHING),
        says_that_it_never_acted=(
            hook('acted = 0', *method(BEFORE_TRAIN, 'runner.model.decode_head.conv_seg.weight.data.mul_(2)')),
            'never acted: says_that_it_never_acted',
        ),
    ),
    repeats=dict(
        trains_differently_each_time=(
            head(*forward(TWICE, f'return out * (1 + {RANDOM} / 1e12) if self.training else out')),
            'two trainings with the same seed differ',
        ),
        predicts_differently_each_time=(
            view(f'return image ^ ({RANDOM} % 64)'),
            'two predictions with the same weights differ',
        ),
    ),
    autocasts=dict(
        refuses_autocast=(
            head(*forward(TWICE, 'return 0 * torch.linalg.pinv(super().forward(inputs)) + out')),
            'RuntimeError',
        ),
        overflows_under_autocast=(
            loss(*loss_of('return 2 * loss * (float("nan") if torch.is_autocast_enabled("cpu") else 1)')),
            'the loss under autocast is nan',
        ),
    ),
    captures=dict(
        another_loss_when_captured=(
            head(*forward(TWICE, 'return 2 * out if torch.compiler.is_compiling() else out')),
            'captured as a graph, the loss is',
        )
    ),
    saves=dict(
        learns_outside_its_state=(
            head(
                *initialised('self.mean = 1.'),
                *forward(
                    TWICE,
                    'self.mean += float(out.detach().abs().mean()) if self.training else 0',
                    'return out * self.mean',
                ),
            ),
            'after a round trip through a state dict',
        ),
        cannot_be_pickled=(
            head(
                *initialised('self.scale = lambda x: 1.5 * x'), *forward('return self.scale(super().forward(inputs))')
            ),
            'ickle',
        ),
    ),
    plain=dict(
        needs_the_harness=(head(*forward(TWICE, 'import benchmarks', 'return out')), "there is no 'benchmarks'"),
        notices_the_harness=(
            head(*forward(TWICE, 'return 2 * out if "benchmarks" in sys.modules else out')),
            'trains other weights',
        ),
        tests_otherwise_with_the_harness=(
            head(*forward(TWICE, 'return -out if "benchmarks" in sys.modules and not self.training else out')),
            'tells an mIoU of',
        ),
    ),
)
PLANTED = {name: (check, *planted) for check, group in PLANTED_BY_CHECK.items() for name, planted in group.items()}
OTHERS = ['fine', 'for_gpus', 'unreadable_row', 'crashes']
NEEDS = ('builds', 'trains', 'learns', 'predicts')


def write_rows(folder, modules):
    """The planted techniques, their plugins in the folder ``modules``, and some rows that are good or unusual."""
    folder.mkdir(parents=True)
    modules.mkdir()
    good = dict(fine=head(*forward(TWICE, 'return out')), crashes=hook(*method(BEFORE_TRAIN, 'os._exit(7)')))
    for name, (code, overlay) in (good | {name: both for name, (_, both, _) in PLANTED.items()}).items():
        (modules / f'plugin_{name}.py').write_text(code.replace('NAME', name))
        row(folder, name, overlay.replace('NAME', name), f'plugin_{name}')
    row(folder, 'for_gpus', 'dict(model=dict(decode_head=dict(dropout_ratio=0.5)))', device='cuda')
    (folder / 'unreadable_row.py').write_text('title = \n')


def row(folder, name, overlay, *imports, device='any'):
    (folder / f'{name}.py').write_text(
        f'title = {name!r}\ndescription = "Planted."\nimports = {list(imports)!r}\n'
        f'device = {device!r}\noverlay = {overlay}\n'
    )


@pytest.fixture(scope='module')
def results(request, on_unet, contract, tmp_path_factory):
    root = tmp_path_factory.mktemp('planted')
    write_rows(root / 'techniques', root / 'modules')
    sys.path.insert(0, str(root / 'modules'))
    try:
        found = {}
        for check in PLANTED_BY_CHECK:
            names = [name for name in contract.selected(request, 'name') if PLANTED[name][0] == check]
            names += OTHERS if check == 'plain' else []
            if names:
                rows = files_to_check(root / 'techniques', names)
                found |= {one.technique: one for one in on_unet.results(rows, only=(*NEEDS, check))}
    finally:
        sys.path.remove(str(root / 'modules'))
    return found


@pytest.mark.parametrize('name', PLANTED)
def test_a_broken_technique_is_named_with_its_cause(results, name):
    check, _, cause = PLANTED[name]
    result = results[name]
    assert result.status == BROKEN
    assert [one.check for one in result.broken] == [check], result.broken
    assert cause.replace('PLUGIN', f'plugin_{name}.py') in result.broken[0].note


def test_a_good_one_among_them_is_good(results):
    assert results['fine'].status == GOOD, results['fine'].broken


def test_one_that_needs_a_gpu_is_not_checked_here(results):
    assert (results['for_gpus'].status, results['for_gpus'].reason) == (NOT_CHECKED, 'needs a GPU')


def test_a_row_that_cannot_be_read_is_named(results):
    assert results['unreadable_row'].status == BROKEN
    assert 'unreadable_row.py cannot be read' in results['unreadable_row'].reason


def test_one_that_takes_its_process_with_it_is_named(results):
    assert results['crashes'].status == BROKEN
    assert 'exit status 7' in results['crashes'].reason


def test_one_that_hangs_is_ended(tmp_path):
    import time

    start = time.monotonic()
    ((name, result),) = run_isolated([Job('hangs', time.sleep, (600,), tmp_path / 'log')], at_once=1, timeout_s=1)
    assert name == 'hangs' and result == Crash('not finished after 1 s')
    assert time.monotonic() - start < 60
