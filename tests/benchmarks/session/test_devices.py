"""The device is chosen by what nvidia-smi, the environment and torch's own files say; torch is not imported for it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.errors import BadInput
from benchmarks.session import devices
from benchmarks.session.devices import choose_device, expose, why_unusable

ROOT = Path(__file__).resolve().parents[3]
VERSION = """from typing import Optional

__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip', 'rocm', 'xpu']
__version__ = '{version}'
debug = False
cuda: Optional[str] = {cuda}
git_version = 'cf30153c4c131c8164ee7798e5022d810682e2cb'
hip: Optional[str] = None
"""
WITH_CUDA = VERSION.format(version='2.13.0+cu130', cuda="'13.0'")
WITHOUT = VERSION.format(version='2.13.0+cpu', cuda=None)


@pytest.fixture
def machine(monkeypatch):
    """Sets what the machine says: how many GPUs, ``CUDA_VISIBLE_DEVICES`` (None: unset), torch's version file."""

    def say(gpus, visible=None, version=WITH_CUDA):
        monkeypatch.setattr(devices, 'gpus', lambda: ['some GPU'] * gpus)
        monkeypatch.setattr(devices, '_version_file', lambda: version)
        monkeypatch.setenv('CUDA_VISIBLE_DEVICES', visible or '')
        if visible is None:
            monkeypatch.delenv('CUDA_VISIBLE_DEVICES')

    monkeypatch.setenv('PYTORCH_NVML_BASED_CUDA_CHECK', '')  # expose sets it; put back what was there
    monkeypatch.delenv('PYTORCH_NVML_BASED_CUDA_CHECK')
    return say


@pytest.mark.parametrize(
    'gpus, visible, version, asked, expected',
    [
        (0, None, WITH_CUDA, None, 'cpu'),
        (2, None, WITH_CUDA, 'cpu', 'cpu'),
        (1, None, WITH_CUDA, None, 'cuda'),
        (1, None, WITH_CUDA, 'cuda', 'cuda'),
        (2, None, WITH_CUDA, 'cuda:1', 'cuda:1'),
        (1, None, WITHOUT, None, 'cpu'),
        (1, None, "__version__ = '1'\ncuda = '12.1'\n", None, 'cuda'),
        (1, None, "__version__ = '1'\ncuda = None\n", None, 'cpu'),
        (1, None, '', 'cuda', 'cuda'),  # nothing can be read: torch itself is asked before the first stage
        (2, '', WITH_CUDA, None, 'cpu'),
        (2, '-1', WITH_CUDA, None, 'cpu'),
        (2, '-1,0', WITH_CUDA, None, 'cpu'),
        (2, '7', WITH_CUDA, None, 'cpu'),
        (0, '0', WITH_CUDA, None, 'cpu'),
        (8, '5, 3', WITH_CUDA, 'cuda:1', 'cuda:1'),
        (8, 'GPU-8932f937-d72c,GPU-1', WITH_CUDA, 'cuda:1', 'cuda:1'),
        (1, 'MIG-1,MIG-2', WITH_CUDA, 'cuda:1', 'cuda:1'),
    ],
)
def test_which_device_is_chosen(machine, gpus, visible, version, asked, expected):
    machine(gpus, visible, version)
    assert choose_device(asked) == expected


NONE = 'this machine has no GPU that can be used'


@pytest.mark.parametrize(
    'gpus, visible, version, asked, message',
    [
        (0, None, WITH_CUDA, 'cuda', f'{NONE}; run with --device cpu'),
        (0, None, WITH_CUDA, 'cuda:0', f'{NONE}; run with --device cpu'),
        (2, '', WITH_CUDA, 'cuda', f"{NONE} (CUDA_VISIBLE_DEVICES=''); run with --device cpu"),
        (2, '-1', WITH_CUDA, 'cuda:1', f"{NONE} (CUDA_VISIBLE_DEVICES='-1')"),
        (
            1,
            None,
            WITHOUT,
            'cuda',
            'there is a GPU, but this torch (2.13.0+cpu) cannot use it; install a CUDA build, or',
        ),
        (1, None, WITH_CUDA, 'cuda:1', 'there are 1 GPUs, numbered from 0'),
        (8, '5,3', WITH_CUDA, 'cuda:2', 'there are 2 GPUs'),
        (8, '5,8,3', WITH_CUDA, 'cuda:1', 'there are 1 GPUs'),
        *(
            (8, None, WITH_CUDA, asked, 'it is cpu, cuda or cuda:N')
            for asked in ('tpu', 'cuda12', 'cuda:', 'cuda:x', 'cuda:-1', 'cpu:0', '')
        ),
    ],
)
def test_what_is_not_there_is_named_with_its_cure(machine, gpus, visible, version, asked, message):
    machine(gpus, visible, version)
    with pytest.raises(BadInput, match=re.escape(f'--device {asked}: {message}')):
        choose_device(asked)


@pytest.mark.parametrize(
    'asked, visible, stages_use, stages_see',
    [
        ('cpu', '0,1', 'cpu', ''),
        ('cuda', '0,1', 'cuda', '0,1'),
        ('cuda:1', None, 'cuda', '1'),
        ('cuda:1', '5,3', 'cuda', '3'),
    ],
)
def test_stages_see_the_one_gpu_that_was_asked_for_under_the_name_that_it_has_for_them(
    machine, asked, visible, stages_use, stages_see
):
    machine(2, visible)
    assert expose(asked) == stages_use and os.environ['CUDA_VISIBLE_DEVICES'] == stages_see
    # mmengine asks while the server imports it that stages are forked from: CUDA must not start there.
    assert os.environ.get('PYTORCH_NVML_BASED_CUDA_CHECK') == (None if asked == 'cpu' else '1')


def test_the_installed_torch_is_read_as_it_is():
    build = devices._torch_build()
    assert build['__version__'] == torch.__version__ and build['cuda'] == str(torch.version.cuda)


def test_torch_is_not_imported_to_choose(tmp_path):
    (tmp_path / 'nvidia-smi').write_text('#!/bin/sh\necho some GPU\necho another\n')
    (tmp_path / 'nvidia-smi').chmod(0o755)
    code = (
        'import sys; from benchmarks.session import devices\n'
        'build = devices._torch_build()["__version__"]\n'
        'devices._version_file = lambda: "cuda = \'13.0\'"\n'
        'print(build, devices.choose_device(None), devices.expose(devices.choose_device("cuda:1")),\n'
        '      any(name in sys.modules for name in ("torch", "numpy", "mmengine")))'
    )
    variables = {name: value for name, value in os.environ.items() if name != 'CUDA_VISIBLE_DEVICES'}
    variables |= dict(PATH=f'{tmp_path}{os.pathsep}{os.environ["PATH"]}', PYTHONPATH=str(ROOT))
    done = subprocess.run([sys.executable, '-c', code], env=variables, capture_output=True, text=True)
    assert done.stdout.split() == [torch.__version__, 'cuda', 'cuda', 'False'], done


def test_why_torch_cannot_use_a_gpu(monkeypatch):
    def ones(*_, device):
        raise RuntimeError('The NVIDIA driver on your system is too old\nand more')

    monkeypatch.setattr('torch.ones', ones)
    assert why_unusable() == 'The NVIDIA driver on your system is too old'


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA GPU')
def test_a_gpu_that_torch_can_use():
    assert why_unusable() is None


@pytest.mark.parametrize(
    'gpus, visible, device, slots',
    [
        (0, None, 'cpu', ()),
        (4, None, 'cpu', ()),
        (1, None, 'cuda', ()),
        (3, None, 'cuda', ('0', '1', '2')),
        (3, None, 'cuda:1', ()),
        (8, '5, 3', 'cuda', ('5', '3')),
        (2, '1,7,0', 'cuda', ()),
        (1, 'MIG-1,MIG-2', 'cuda', ('MIG-1', 'MIG-2')),
    ],
)
def test_several_gpus_are_dealt_out_unless_one_is_named(machine, gpus, visible, device, slots):
    machine(gpus, visible)
    assert devices.gpu_slots(device) == slots
