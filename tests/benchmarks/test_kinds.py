"""The table of stage kinds is the only list of kinds, and nobody forgets a version when a stage's code changes.

``stage_sources.json`` beside this file holds the version of each kind and the digests of the sources that determine
what it stores: ``benchmarks/stages/<kind>.py`` and all modules of ``stages/`` and ``probes/`` that it imports, directly
or through others. When a source changes, a test fails until somebody has decided about the version and has run ::

    python tests/benchmarks/test_kinds.py

which writes the file anew. Comments, docstrings and formatting do not count.
"""

import ast
import hashlib
import json
from pathlib import Path

import pytest

from benchmarks.kinds import BY_NAME, KINDS, NAMES, OF_CELLS, WITH_MAPS

ROOT = Path(__file__).resolve().parents[2]
RECORDED = Path(__file__).with_name('stage_sources.json')
WATCHED = ('benchmarks.stages.', 'benchmarks.probes.')
COMMAND = 'python tests/benchmarks/test_kinds.py'


def source_of(module):
    return ROOT / f'{module.replace(".", "/")}.py'


def imported(tree):
    """Names of the modules that a syntax tree imports, at any place; of ``from a import b`` both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f'{node.module}.{alias.name}' for alias in node.names)


def reached(kind):
    """The stage's module, and the watched modules that it imports, directly or through others of them."""
    found, waiting = set(), [f'benchmarks.stages.{kind}']
    while waiting:
        module = waiting.pop()
        if module not in found and module.startswith(WATCHED) and source_of(module).is_file():
            found.add(module)
            waiting += imported(ast.parse(source_of(module).read_text()))
    return sorted(found)


def bare(node):
    """A syntax tree as plain values, without docstrings, and without fields that only some versions of Python have."""
    if isinstance(node, list):
        return [bare(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, [])}
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(node):
        fields['body'] = node.body[1:]
    return [type(node).__name__, {name: bare(value) for name, value in fields.items()}]


def digest(source):
    """Digest of a source, in which comments, docstrings and formatting do not count."""
    return hashlib.sha256(json.dumps(bare(ast.parse(source)), sort_keys=True).encode()).hexdigest()[:16]


def current():
    return {
        kind.name: dict(
            version=kind.version,
            sources={module: digest(source_of(module).read_text()) for module in reached(kind.name)},
        )
        for kind in KINDS
    }


def advice(kind, changed):
    return (
        f"the sources of stage '{kind}' have changed ({', '.join(changed)}): raise its version in benchmarks/kinds.py "
        f'if the stored numbers change, else leave it; then write the new digests with `{COMMAND}`'
    )


@pytest.mark.parametrize('kind', NAMES)
def test_the_version_number_was_thought_of_when_a_stages_sources_changed(kind):
    recorded, now = json.loads(RECORDED.read_text()).get(kind, dict(version=None, sources={})), current()[kind]
    before, after = recorded['sources'], now['sources']
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    assert not changed, advice(kind, changed)
    assert now['version'] == recorded['version'], f'the version of {kind!r} has changed: write it with `{COMMAND}`'


def test_only_existing_kinds_are_recorded():
    assert tuple(json.loads(RECORDED.read_text())) == NAMES


CODE = '''
def area(width, height):  # of a box
    """In pixels."""
    return f'{width * height} px'
'''


@pytest.mark.parametrize(
    'old, new, counts',
    [
        ('  # of a box', '', False),
        ('"""In pixels."""', '"""In pixels, of\n    a box."""', False),
        ('width, height):', 'width,\n         height):', False),
        ("f'{width * height} px'", 'f"{width * height} px"', False),
        ('width * height', 'width + height', True),
        ('area', 'size', True),
        (' px', '', True),
    ],
)
def test_a_digest_is_moved_by_code_alone(old, new, counts):
    assert old in CODE
    assert (digest(CODE.replace(old, new)) != digest(CODE)) is counts


def test_the_sources_of_a_stage_are_followed_through_its_imports():
    assert {'benchmarks.stages.predict', 'benchmarks.stages.maps', 'benchmarks.probes.truth'} <= set(reached('predict'))
    assert 'benchmarks.probes.distances' in reached('refine')  # through truth
    assert 'benchmarks.probes.latency' in reached('profile') and 'benchmarks.probes.latency' not in reached('train')


@pytest.mark.parametrize('kind', NAMES)
def test_each_kind_has_its_module(kind):
    defined = {
        node.name
        for node in ast.parse(source_of(f'benchmarks.stages.{kind}').read_text()).body
        if hasattr(node, 'name')
    }
    assert 'run' in defined and ('run_together' in defined) is (BY_NAME[kind].shares is not None)


def test_kinds_have_names_of_their_own_and_an_order():
    assert len(BY_NAME) == len(KINDS) and (*OF_CELLS, *(kind.name for kind in KINDS if kind.measures_alone)) == NAMES
    assert WITH_MAPS == ('predict',)
    assert all(kind.version >= 1 and kind.shares in (None, 'network', 'images') for kind in KINDS)


if __name__ == '__main__':
    RECORDED.write_text(json.dumps(current(), indent=1) + '\n')
    print(f'written: {RECORDED}')
