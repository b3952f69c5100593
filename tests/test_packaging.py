"""The wheel holds the whole project, an installed copy finds its configs, and a checkout runs its own code."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ('benchmarks', 'plugins', 'configs')
DECOY = 'raise SystemExit("the installed copy was imported")\n'


def project():
    """The table [project] of pyproject.toml."""
    return tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']


def modules(root):
    """Paths of the project's Python files below a folder, and of the templates of the report's page."""
    found = [path for package in PACKAGES for path in (root / package).rglob('*.py')]
    found += (root / 'benchmarks' / 'reports' / 'page' / 'templates').iterdir()
    return {path.relative_to(root).as_posix() for path in found}


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """The wheel, built from a copy, so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp('wheel')
    source = folder / 'source'
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package)
    for file in ('pyproject.toml', 'README.md', 'LICENSE'):
        shutil.copy2(ROOT / file, source / file)
    build = 'import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])'
    done = subprocess.run([sys.executable, '-c', build, str(folder)], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob('*.whl')
    return path


def test_the_wheel_holds_every_module_and_config(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if '.dist-info/' not in name}
    assert names == modules(ROOT)


def test_the_wheel_says_what_it_is(wheel):
    archive = zipfile.ZipFile(wheel)
    (folder,) = {name.split('/')[0] for name in archive.namelist() if '.dist-info/' in name}
    metadata = archive.read(f'{folder}/METADATA').decode()
    assert '\nLicense-Expression: Apache-2.0\n' in metadata
    assert '\nRequires-Python: >=3.11\n' in metadata
    assert archive.read(f'{folder}/licenses/LICENSE') == (ROOT / 'LICENSE').read_bytes()
    assert 'segmentation-ablation = benchmarks.cli:console' in archive.read(f'{folder}/entry_points.txt').decode()


def test_the_citation_is_of_this_version_and_licence():
    citation, table = yaml.safe_load((ROOT / 'CITATION.cff').read_text()), project()
    assert citation['cff-version'] == '1.2.0' and citation['message'] and citation['authors']
    assert (citation['title'], citation['version']) == (table['name'], table['version'])
    assert citation['license'] == table['license']


def test_every_dependency_is_pinned():
    pins = dict(line.split('==') for line in (ROOT / 'constraints.txt').read_text().split())
    pinned = {_normal(name) for name in pins}
    own = map(Requirement, [*project()['dependencies'], *project()['optional-dependencies']['test']])
    wanted, seen = [one.name for one in own if one.marker is None or one.marker.evaluate()], set()
    while wanted:
        name, _, marker = wanted.pop().partition(';')
        name = _normal(re.match(r'[\w.-]+', name)[0])
        if name in seen or marker:  # an extra's, or another platform's
            continue
        seen.add(name)
        wanted += importlib.metadata.requires(name) or []
    assert seen - pinned == set()


def test_the_pins_leave_room_for_the_extra_s3():
    """s3fs has a release for each of fsspec, and aiobotocore takes python-dateutil below 3."""
    pins = dict(line.split('==') for line in (ROOT / 'constraints.txt').read_text().split())
    assert int(pins['python-dateutil'].split('.')[0]) < 3 and 'six' in pins  # which a python-dateutil below 3 needs


def _normal(name):
    return re.sub('[-_.]+', '-', name).lower()


@pytest.fixture
def elsewhere(tmp_path):
    """A current folder outside the checkout."""
    (tmp_path / 'elsewhere').mkdir()
    return tmp_path / 'elsewhere'


def run(*command, cwd, path):
    """Run a command with this PYTHONPATH, and without a GPU."""
    environment = {name: value for name, value in os.environ.items() if name != 'ABLATION_WORK_DIR'}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=environment | dict(PYTHONPATH=str(path), CUDA_VISIBLE_DEVICES=''),
    )


@pytest.mark.slow
def test_an_installed_copy_plans_the_quickstart(wheel, tmp_path, elsewhere):
    target = tmp_path / 'target'
    pip = [sys.executable, '-m', 'pip', 'install', '--no-deps', '--no-index', '--target', target, wheel]
    done = run(*pip, cwd=elsewhere, path='')
    assert done.returncode == 0, done.stdout + done.stderr
    assert modules(target) == modules(ROOT)
    done = run(target / 'bin' / 'segmentation-ablation', '--dry-run', '--device', 'cpu', cwd=elsewhere, path=target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '35 cells' in done.stdout
    assert 'Traceback' not in done.stderr


@pytest.mark.slow
def test_a_checkout_runs_its_own_code_although_another_copy_is_installed(tmp_path, elsewhere):
    installed = tmp_path / 'installed'
    for package in ('benchmarks', 'plugins'):
        (installed / package).mkdir(parents=True)
        (installed / package / '__init__.py').write_text(DECOY)
    command = [sys.executable, ROOT / 'run_ablation.py', '--dry-run', '--device', 'cpu']
    done = run(*command, cwd=elsewhere, path=installed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '35 cells' in done.stdout
