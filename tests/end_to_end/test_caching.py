"""Which stages a change reruns: exactly those that it can change."""
import re
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

STEP = re.compile(r'^  (train|predict|refine|profile) +(\d+) × (.*)$', re.MULTILINE)
EVERYTHING = dict(train=8, predict=10, refine=2, profile=6)
EXPECTED = {
    'the data lies elsewhere': ({}, ''),
    'one train image': (EVERYTHING, 'data train'),
    'one test image': (dict(predict=10, refine=2, profile=6), 'data predict'),
    'how often to log': ({}, ''),
    'one line that the loss calls': (dict(train=4, predict=6, refine=2, profile=4), 'code plugins.losses.dice'),
    'one line of a refinement': (dict(refine=2, profile=1), 'code plugins.refine.morphology'),
    'comments and docstrings': ({}, '')}


@pytest.fixture(scope='module')
def plans(project, finished, pictures, driving, tmp_path_factory):
    """What a dry run says after each change."""
    folder = tmp_path_factory.mktemp('changed')

    def data(name, change=None):
        root = folder / name
        shutil.copytree(pictures, root)
        if change:
            pixels = np.array(Image.open(root / change))
            pixels[5, 7] ^= 1
            Image.fromarray(pixels).save(root / change)
        driving.age(root)
        return project, ('--data-root', str(root))

    def code(name, *edits):
        (folder / name).mkdir()
        copy = project.copy(folder / name)
        for edit in edits:
            copy.edit(*edit)
        return copy, ()

    cases = {
        'the data lies elsewhere': data('moved'),
        'one train image': data('train', 'img/train/3.png'),
        'one test image': data('test', 'img/test/2.png'),
        'how often to log': (project, ('--cfg-options', 'default_hooks.logger.interval=1', 'log_level=WARNING')),
        'one line that the loss calls': code('loss', LOSS_LINE),
        'one line of a refinement': code('refinement', REFINEMENT_LINE),
        'comments and docstrings': code('comments', *COMMENTS)}
    with ThreadPoolExecutor(2) as pool:
        runs = {name: pool.submit(checkout.run, finished, '--dry-run', *flags)
                for name, (checkout, flags) in cases.items()}
    return {name: run.result() for name, run in runs.items()}


LOSS_LINE = ('plugins/losses/dice.py', '\ndef weighted_dice_loss(', '\nEXTRA = 1\n\n\ndef weighted_dice_loss(')
REFINEMENT_LINE = ('plugins/refine/morphology.py', 'margin = len(disk)', 'margin = 1 + len(disk)')
COMMENTS = (('plugins/losses/dice.py', '\ndef weighted_dice_loss(', '\n# A remark.\n\n\ndef weighted_dice_loss('),
            ('plugins/refine/morphology.py', '"""Binary opening or closing', '"""Opening or closing'))


@pytest.mark.parametrize('change', EXPECTED)
def test_a_change_reruns_what_depends_on_it(plans, change):
    expected, reason = EXPECTED[change]
    plan = plans[change]
    assert plan.status == 0, plan.said
    planned, reasons = Counter(), []
    for kind, number, why in STEP.findall(plan.stdout):
        planned[kind] += int(number)
        reasons.append(why)
    assert planned == expected
    total = sum(expected.values())
    assert f'{26 - total} cached, {total} to run' in plan.stdout
    assert reason in ' '.join(reasons)


def test_looking_changes_nothing(plans, finished):
    assert len(finished.manifests()) == 26
    assert list((finished.store / 'running').iterdir()) == []
