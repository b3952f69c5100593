"""Techniques that are broken on purpose, one of each kind: each is named with its cause, and the rest go on."""
import sys

import pytest

from benchmarks.check.command import technique_files
from benchmarks.check.isolated import Crash, Job, run_isolated
from benchmarks.check.verdict import BROKEN, GOOD, NOT_CHECKED

HEAD = 'from mmseg.registry import MODELS\nfrom mmseg.models.decode_heads import FCNHead\nimport torch\n'
LOSS = 'from mmseg.registry import MODELS\nfrom mmseg.models.losses import CrossEntropyLoss\nimport torch\n'
VIEW = 'from mmseg.registry import TRANSFORMS\nimport os, torch\n'
HOOK = 'from mmengine.hooks import Hook\nfrom mmseg.registry import HOOKS\nimport torch\n'


def head(body):
    """A plugin with a decode head, and the overlay that uses it; ``{name}`` is the planted technique's."""
    code = HEAD + '@MODELS.register_module()\nclass Head{name}(FCNHead):\n' + indented(body)
    return code, 'dict(model=dict(decode_head=dict(type="Head{name}")))'


def loss(body):
    code = LOSS + '@MODELS.register_module()\nclass Loss{name}(CrossEntropyLoss):\n' + indented(body)
    return code, 'dict(model=dict(decode_head=dict(loss_decode=dict(type="Loss{name}"))))'


def view(forward):
    code = VIEW + '@TRANSFORMS.register_module()\nclass View{name}:\n' + indented(
        f'def forward(self, image):\n    {forward}\ndef inverse(self, maps, size):\n    return maps')
    return code, 'dict(inference=dict(views=dict(planted=dict(type="View{name}"))))'


def hook(body):
    code = HOOK + '@HOOKS.register_module()\nclass Hook{name}(Hook):\n' + indented(body)
    return code, 'dict(custom_hooks=dict(_insert_=[dict(type="Hook{name}")]))'


def refinement(body):
    code = ('from mmcv.transforms import BaseTransform\nfrom mmseg.registry import TRANSFORMS\n'
            '@TRANSFORMS.register_module()\nclass Refine{name}(BaseTransform):\n'
            '    takes = "probabilities"\n    gives = "labels"\n' + indented(body))
    return code, 'dict(inference=dict(refine=dict(planted=dict(order=10, type="Refine{name}"))))'


def transform(body):
    code = ('from mmcv.transforms import BaseTransform\nfrom mmseg.registry import TRANSFORMS\n'
            '@TRANSFORMS.register_module()\nclass Transform{name}(BaseTransform):\n' + indented(body))
    return code, ('dict(train_dataloader=dict(dataset=dict(pipeline=dict('
                  '_insert_=[dict(type="Transform{name}")], _after_="LoadAnnotations"))))')


def indented(text):
    return ''.join(f'    {line}\n' for line in text.splitlines())


INIT = 'def __init__(self, **kwargs):\n    super().__init__(**kwargs)\n    '
FORWARD = '\ndef forward(self, inputs):\n    '
# name: (plugin and overlay, the check that must fail, words of the cause)
PLANTED = {
    'imports_nothing': (('import there_is_no_such_module\n', head('pass')[1]), 'builds', 'there_is_no_such_module'),
    'imports_the_harness': (('import benchmarks.store\n' + head('pass')[0], head('pass')[1]), 'builds',
                            'plain mmsegmentation'),
    'does_not_parse': (('def\n', head('pass')[1]), 'builds', 'SyntaxError'),
    'registers_nothing': (('', head('pass')[1]), 'builds', 'which nothing registers'),
    'misspelt_key': ((head('pass')[0], 'dict(model=dict(decode_head=dict(type="Head{name}", chanels=3)))'), 'builds',
                     "did you mean 'channels'"),
    'cannot_be_built': (head(INIT + 'raise TypeError("planted")'), 'builds', 'TypeError: planted'),
    'raises_in_forward': (head('def forward(self, inputs):\n    raise RuntimeError("planted")'), 'trains',
                          'RuntimeError: planted (plugin_raises_in_forward.py:'),
    'raises_in_a_hook': (hook('def before_train_iter(self, runner, *args, **kwargs):\n    raise KeyError("planted")'),
                         'trains', "KeyError: 'planted' (plugin_raises_in_a_hook.py:"),
    'raises_in_the_pipeline': (transform('def transform(self, results):\n    raise OSError("planted")'), 'trains',
                               'OSError: planted (plugin_raises_in_the_pipeline.py:'),
    'loss_is_nan': (loss('def forward(self, *args, **kwargs):\n    return super().forward(*args, **kwargs) * float("nan")'),
                    'trains', 'the loss became nan'),
    'gradient_is_nan': (loss('def forward(self, logits, *args, **kwargs):\n    zero = (logits * 0).sum()\n'
                             '    return super().forward(logits, *args, **kwargs) + torch.where(zero > 1, zero.sqrt(), zero)'),
                        'trains', 'the gradient is not finite in step 1 at'),
    'adds_what_is_not_trained': (head(INIT + 'self.gate = torch.nn.Parameter(torch.ones(3))'), 'learns',
                                 'never get a gradient: decode_head.gate'),
    'adds_what_does_not_move': ((head(INIT + 'self.gate = torch.nn.Parameter(torch.ones(1))' + FORWARD +
                                      'return super().forward(inputs) * self.gate')[0],
                                 'dict(model=dict(decode_head=dict(type="Head{name}")), optim_wrapper=dict(paramwise_cfg='
                                 'dict(custom_keys={"gate": dict(lr_mult=0.)})), '
                                 'param_scheduler=[dict(type="ConstantLR", by_epoch=False)])'),
                                'learns', 'never move: decode_head.gate'),
    'cuts_the_backbone_off': (head('def forward(self, inputs):\n    return super().forward([x.detach() for x in inputs])'),
                              'learns', 'that the baseline trains get no gradient any more'),
    'predicts_nan': (head('def forward(self, inputs):\n    out = super().forward(inputs)\n'
                          '    return out if self.training else out * float("nan")'), 'predicts', 'FloatingPointError'),
    'raises_in_a_view': (view('raise ValueError("planted")'), 'predicts', 'ValueError: planted (plugin_raises_in_a_view.py:'),
    'raises_in_a_refinement': (refinement('def transform(self, results):\n    raise ValueError("planted")'), 'predicts',
                               'ValueError: planted (plugin_raises_in_a_refinement.py:'),
    'head_that_does_nothing': (head('pass'), 'acts', 'changes nothing'),
    'loss_that_does_nothing': (loss('pass'), 'acts', 'changes nothing'),
    'view_that_does_nothing': (view('return image'), 'acts', 'never acted: InferenceHook'),
    'hook_that_does_nothing': (hook('def before_train(self, runner):\n    pass'), 'acts', 'changes nothing'),
    'refinement_that_does_nothing': (refinement('def transform(self, results):\n    del results["probs"]\n    return results'),
                                     'acts', 'changes nothing'),
    'transform_that_does_nothing': (transform('def transform(self, results):\n    return results'), 'acts',
                                    'changes nothing'),
    'says_that_it_never_acted': (hook('acted = 0\ndef before_train(self, runner):\n    runner.model.decode_head.conv_seg'
                                      '.weight.data.mul_(2)'), 'acts', 'never acted: Hooksays_that_it_never_acted'),
    'trains_differently_each_time': (head('def forward(self, inputs):\n    import os\n    noise = int.from_bytes(os.urandom(4))\n'
                                          '    return super().forward(inputs) * (1 + (noise % 1000 / 1e4 if self.training else 0))'),
                                     'repeats', 'two trainings with the same seed differ'),
    'predicts_differently_each_time': (view('return image ^ (int.from_bytes(os.urandom(4)) % 64)'), 'repeats',
                                       'two predictions with the same weights differ'),
    'refuses_autocast': (head('def forward(self, inputs):\n    out = super().forward(inputs)\n'
                              '    return torch.linalg.pinv(out) * 0 + out * 1.5'), 'autocasts', 'RuntimeError'),
    'overflows_under_autocast': (loss('def forward(self, logits, *args, **kwargs):\n    base = super().forward(logits, *args, **kwargs) * 2\n'
                                      '    return base * float("nan") if torch.is_autocast_enabled("cpu") else base'),
                                 'autocasts', 'the loss under autocast is nan'),
    'another_loss_when_captured': (head('def forward(self, inputs):\n    scale = 3. if torch.compiler.is_compiling() else 1.5\n'
                                        '    return super().forward(inputs) * scale'), 'captures', 'captured as a graph, the loss is'),
    'learns_outside_its_state': (head(INIT + 'self.mean = 1.' + FORWARD +
                                      'out = super().forward(inputs)\n    if self.training:\n'
                                      '        self.mean = 0.9 * self.mean + float(out.detach().abs().mean())\n'
                                      '    return out * self.mean'), 'saves', 'after a round trip through a state dict'),
    'cannot_be_pickled': (head(INIT + 'self.scale = lambda x: 1.5 * x' + FORWARD + 'return self.scale(super().forward(inputs))'),
                          'saves', 'ickle'),
    'needs_the_harness': (head('def forward(self, inputs):\n    import benchmarks\n    return super().forward(inputs) * 1.5'),
                          'plain', "there is no 'benchmarks'"),
    'notices_the_harness': (head('def forward(self, inputs):\n    import sys\n'
                                 '    return super().forward(inputs) * (2. if "benchmarks" in sys.modules else 1.5)'),
                            'plain', 'trains other weights'),
    'tests_otherwise_with_the_harness': (head('def forward(self, inputs):\n    import sys\n    out = super().forward(inputs) * 1.5\n'
                                              '    return -out if not self.training and "benchmarks" in sys.modules else out'),
                                         'plain', 'tells an mIoU of'),
}
OTHERS = ['fine', 'for_gpus', 'unreadable_row', 'crashes']
NEEDS = ('builds', 'trains', 'learns', 'predicts')


def write_rows(folder, modules):
    """The planted techniques, their plugins in the folder ``modules``, and three rows that are good or unusual."""
    folder.mkdir(parents=True)
    modules.mkdir()
    for name, ((code, overlay), _, _) in PLANTED.items():
        (modules / f'plugin_{name}.py').write_text(code.replace('{name}', name))
        row(folder, name, overlay.replace('{name}', name), f'plugin_{name}')
    code, overlay = head('def forward(self, inputs):\n    return super().forward(inputs) * 1.5')
    (modules / 'plugin_fine.py').write_text(code.replace('{name}', 'fine'))
    row(folder, 'fine', overlay.replace('{name}', 'fine'), 'plugin_fine')
    row(folder, 'for_gpus', 'dict(model=dict(decode_head=dict(dropout_ratio=0.5)))', device='cuda')
    (folder / 'unreadable_row.py').write_text('title = \n')
    code = HOOK + '@HOOKS.register_module()\nclass Crashes(Hook):\n    def before_train(self, runner):\n        import os; os._exit(7)\n'
    (modules / 'plugin_crashes.py').write_text(code)
    row(folder, 'crashes', 'dict(custom_hooks=dict(_insert_=[dict(type="Crashes")]))', 'plugin_crashes')


def row(folder, name, overlay, *imports, device='any'):
    (folder / f'{name}.py').write_text(f'title = {name!r}\ndescription = "Planted."\nimports = {list(imports)!r}\n'
                                       f'device = {device!r}\noverlay = {overlay}\n')


@pytest.fixture(scope='module')
def verdicts(request, on_unet, contract, tmp_path_factory):
    root = tmp_path_factory.mktemp('planted')
    write_rows(root / 'techniques', root / 'modules')
    sys.path.insert(0, str(root / 'modules'))
    try:
        found = {}
        for check in dict.fromkeys(expected for _, expected, _ in PLANTED.values()):
            names = [name for name in contract.selected(request, 'name') if PLANTED[name][1] == check]
            names += OTHERS if check == 'plain' else []
            if names:
                rows = technique_files(root / 'techniques', names)
                found |= {one.technique: one for one in on_unet.verdicts(rows, only=(*NEEDS, check))}
    finally:
        sys.path.remove(str(root / 'modules'))
    return found


@pytest.mark.parametrize('name', PLANTED)
def test_a_broken_technique_is_named_with_its_cause(verdicts, name):
    _, check, cause = PLANTED[name]
    verdict = verdicts[name]
    assert verdict.status == BROKEN
    assert [one.check for one in verdict.broken] == [check], verdict.broken
    assert cause in verdict.broken[0].note


def test_a_good_one_among_them_is_good(verdicts):
    assert verdicts['fine'].status == GOOD, verdicts['fine'].broken


def test_one_that_needs_a_gpu_is_not_checked_here(verdicts):
    assert (verdicts['for_gpus'].status, verdicts['for_gpus'].reason) == (NOT_CHECKED, 'needs a GPU')


def test_a_row_that_cannot_be_read_is_named(verdicts):
    assert verdicts['unreadable_row'].status == BROKEN
    assert 'unreadable_row.py cannot be read' in verdicts['unreadable_row'].reason


def test_one_that_takes_its_process_with_it_is_named(verdicts):
    assert verdicts['crashes'].status == BROKEN
    assert 'exit status 7' in verdicts['crashes'].reason


def test_one_that_hangs_is_ended(tmp_path):
    import time
    start = time.monotonic()
    (name, result), = run_isolated([Job('hangs', time.sleep, (600,), tmp_path / 'log')], at_once=1, timeout_s=1)
    assert name == 'hangs' and result == Crash('not finished after 1 s')
    assert time.monotonic() - start < 60
