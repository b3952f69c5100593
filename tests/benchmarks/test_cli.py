"""The command line answers at once: to parse the flags nothing heavy is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ('torch', 'mmengine', 'mmcv', 'mmseg', 'numpy', 'pandas', 'matplotlib', 'scipy', 'cv2', 'PIL', 'rich', 'yapf')
TRY = """
import sys
from pathlib import Path
from benchmarks.cli import main
try:
    status = main(sys.argv[2:], Path('.'))
except SystemExit as end:
    status = end.code
loaded = [name for name in sys.argv[1].split(',') if name in sys.modules]
print(f'status {status}, loaded {loaded}')
"""


@pytest.mark.parametrize(
    'flags, status', [(['--help'], 0), (['--sedes', '3'], 2), (['--seeds', 'three'], 2), (['--jobs', '0'], 2)]
)
def test_flags_are_understood_or_refused_without_a_heavy_import(flags, status):
    command = [sys.executable, '-c', TRY, ','.join(HEAVY), *flags]
    environment = os.environ | dict(PYTHONPATH=str(ROOT))
    run = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.stdout.splitlines()[-1:] == [f'status {status}, loaded []'], run.stdout + run.stderr
