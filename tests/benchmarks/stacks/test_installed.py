"""Edits of installed libraries are seen; each case runs in a process that finds a copy of mmseg first."""

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

SITE = Path(sysconfig.get_path('purelib'))
CHECKOUT = Path(__file__).parents[3]
PARTS = dict(fcn='FCNHead', depthwise='DepthwiseSeparableFCNHead', unet='UNet', data='BaseSegDataset', own='LabLoss')
SCRIPT = f"""
import json
from benchmarks.stacks.plugin_code import PluginCode
code = PluginCode([])
print(json.dumps({{part: code.modules_reached(dict(type=name)) for part, name in {PARTS!r}.items()}}))
"""


@pytest.fixture
def site(tmp_path):
    """A folder of installed distributions that holds mmseg alone."""
    (tmp_path / 'site-packages').mkdir()
    for path in [SITE / 'mmseg', *SITE.glob('*mmsegmentation*.dist-info')]:
        kept = shutil.ignore_patterns('.mim', '__pycache__')
        shutil.copytree(path, tmp_path / 'site-packages' / path.name, ignore=kept)
    return tmp_path / 'site-packages'


def reached(site):
    """For each part the digest of each module that it reaches, in a new process."""
    environment = dict(PYTHONPATH=f'{site}:{CHECKOUT}', PATH='/usr/bin:/bin', PYTHONDONTWRITEBYTECODE='1')
    ran = subprocess.run([sys.executable, '-c', SCRIPT], capture_output=True, text=True, check=True, env=environment)
    return json.loads(ran.stdout)


def test_a_library_as_it_was_installed_enters_no_key(site):
    assert reached(site) == {part: {} for part in PARTS}


def test_an_edited_head_enters_the_keys_of_all_that_reach_it(site):
    head = site / 'mmseg' / 'models' / 'decode_heads' / 'fcn_head.py'
    text = head.read_text()
    assert 'kernel_size=3' in text
    head.write_text(text.replace('kernel_size=3', 'kernel_size=5'))  # of the same size: its digest tells
    module = 'mmseg.models.decode_heads.fcn_head'
    first = reached(site)
    # A part that imports a package of mmseg reaches all modules of that package, as the U-Net does here.
    assert first['fcn'].keys() == first['depthwise'].keys() == {module} and first['data'] == first['own'] == {}
    head.write_text(text.replace('kernel_size=3', 'kernel_size=7'))
    assert reached(site)['fcn'][module] != first['fcn'][module]
    head.write_text(text)
    assert reached(site)['fcn'] == {}


def test_an_added_module_and_the_one_that_imports_it_enter(site):
    folder = site / 'mmseg' / 'models' / 'losses'
    (folder / 'lab_loss.py').write_text(
        'from mmseg.registry import MODELS\n\n@MODELS.register_module()\nclass LabLoss:\n    pass\n'
    )
    assert list(reached(site)['own']) == ['mmseg.models.losses.lab_loss']


def test_an_editable_library_enters_with_all_that_is_reached(site):
    checkout = site.rename(site.parent / 'checkout')
    parts = reached(checkout)
    assert 'mmseg.models.decode_heads.decode_head' in parts['fcn'] and 'mmseg.models.backbones.unet' in parts['unet']
    assert 'mmseg.models.backbones.unet' not in parts['data']
