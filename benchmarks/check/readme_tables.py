"""The READMEs' tables that are made from other files: ``python -m benchmarks.check.readme_tables``.

=========================  ===========================================================================================
``README.md``              the results of the quickstart and on nuclei, from the reports in ``results/``
``plugins/README.md``      the techniques, from ``configs/techniques`` and ``results/compatibility``
``results/README.md``      published steps beside measured ones, from the grids in ``results/``
``benchmarks/README.md``   which config key enters which stage's key, from ``benchmarks/plan/keys.py``
=========================  ===========================================================================================

A table stands between two comments, ``<!-- table: NAME -->`` and ``<!-- end of table -->``, with empty lines around it.
The order of the techniques and the headings between them are written by hand: this command refreshes the rows, drops
those of techniques that are gone, and appends new techniques under a heading of their own. With ``--check`` it writes
nothing and ends with status 1 when a row is outdated; a technique without a row is only named.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.check.claims_table import claims_table
from benchmarks.check.compatibility import ALONE, TABLE, Outcome, read_outcomes
from benchmarks.errors import BadInput
from benchmarks.plan.keys import NOTHING, STAGE_OF
from benchmarks.stacks.technique import Technique, read_technique

ROOT = Path(__file__).resolve().parents[2]
COMMAND = 'python -m benchmarks.check.readme_tables'
END = '<!-- end of table -->'
NEW = '| **New: move these rows to where they belong** | | | |'
NOT_TRIED = '–'
HEADLINES = ('quickstart', 'dsb2018')  # grids whose first table stands in the main README
_TECHNIQUE = re.compile(r'\| `(\w+)` \|')


def main(argv: list[str]) -> int:
    """Run the command; 0 when all tables are current, 1 when ``--check`` finds an outdated one."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('--check', action='store_true', help='only say which tables are outdated')
    args = parser.parse_args(argv)
    absent = techniques_without_row(ROOT)
    if absent:
        print(f'techniques without a row in plugins/README.md: {", ".join(absent)}')
    if args.check:
        outdated = outdated_tables(ROOT)
        for line in outdated:
            print(f'outdated: {line}; run {COMMAND}')
        return 1 if outdated else 0
    for path, name, table in _tables(ROOT, with_new=True):
        path.write_text(with_table(path.read_text(), name, table))
    return 0


def outdated_tables(root: Path) -> list[str]:
    """``<file>: the table <name>`` for each table that differs from what it is made of; new techniques do not count."""
    return [
        f'{path.relative_to(root)}: the table {name}'
        for path, name, table in _tables(root, with_new=False)
        if table_in(path.read_text(), name) != table
    ]


def techniques_without_row(root: Path) -> list[str]:
    """The names of techniques that the table in ``plugins/README.md`` does not have."""
    known = _TECHNIQUE.findall(table_in((root / 'plugins' / 'README.md').read_text(), 'techniques'))
    return [path.stem for path in _technique_files(root) if path.stem not in known]


def _tables(root: Path, *, with_new: bool) -> list[tuple[Path, str, str]]:
    """(README, name of the table, its text) of each table."""
    plugins = root / 'plugins' / 'README.md'
    outcomes = read_outcomes(root / 'results' / 'compatibility' / TABLE)
    techniques = technique_table(
        table_in(plugins.read_text(), 'techniques'),
        [read_technique(path) for path in _technique_files(root)],
        outcomes,
        with_new=with_new,
    )
    reports = {name: root / 'results' / name / 'report' / 'README.md' for name in HEADLINES}
    return [
        *((root / 'README.md', name, first_table(path.read_text())) for name, path in reports.items()),
        (plugins, 'techniques', techniques),
        (root / 'results' / 'README.md', 'claims', claims_table(root / 'results')),
        (root / 'benchmarks' / 'README.md', 'config keys', config_key_table()),
    ]


def _technique_files(root: Path) -> list[Path]:
    return sorted((root / 'configs' / 'techniques').glob('*.py'))


def technique_table(
    current: str, techniques: Sequence[Technique], outcomes: Sequence[Outcome], *, with_new: bool = True
) -> str:
    """The table of techniques, in the order and with the headings of the current one.

    Args:
        current: The table as it is.
        techniques: All techniques.
        outcomes: What was tried on mmsegmentation's models.
        with_new: Whether techniques that the current table lacks are appended.
    """
    usable = {outcome.model for outcome in outcomes if outcome.technique == ALONE and outcome.works}
    tried = Counter(outcome.technique for outcome in outcomes)
    works = Counter(outcome.technique for outcome in outcomes if outcome.works)
    rows = {
        technique.name: _technique_row(
            technique, str(works[technique.name]) if tried[technique.name] == len(usable) else NOT_TRIED
        )
        for technique in techniques
    }
    refreshed = (_refreshed(line, rows) for line in current.splitlines()[2:])
    lines = [f'| technique | what it does | use it when | models, of {len(usable)} |', '|---|---|---|---|']
    lines += [line for line in refreshed if line is not None]
    known = _TECHNIQUE.findall(current)
    new = [row for name, row in rows.items() if name not in known]
    return '\n'.join([*lines, *([NEW, *new] if new and with_new else [])])


def _refreshed(line: str, rows: Mapping[str, str]) -> str | None:
    """A line of the table as it should be: a heading stays, the row of a technique that is gone is None."""
    found = _TECHNIQUE.match(line)
    return rows.get(found[1]) if found else line


def _technique_row(technique: Technique, models: str) -> str:
    cells = (f'`{technique.name}`', technique.description, technique.use_when, models)
    return f'| {" | ".join(cell.replace("|", chr(92) + "|") for cell in cells)} |'


def config_key_table() -> str:
    """Which config key enters the key of which stage; the most specific entry counts."""
    keys: dict[str, list[str]] = {}
    for path, stage in STAGE_OF:
        keys.setdefault(stage, []).append(f'`{".".join(path)}`')
    named = {stage: f'the key of `{stage}`' for stage in keys} | {NOTHING: 'no key'}
    lines = [f'| {named[stage]} | {", ".join(found)} |' for stage, found in sorted(keys.items())]
    return '\n'.join(['| enters | config keys |', '|---|---|', *lines])


def first_table(text: str) -> str:
    """The first table of a Markdown text."""
    rows = text.splitlines()
    start = next(number for number, row in enumerate(rows) if row.startswith('|'))
    end = next((number for number, row in enumerate(rows[start:], start) if not row.startswith('|')), len(rows))
    return '\n'.join(rows[start:end])


def table_in(text: str, name: str) -> str:
    """The table of this name in a README.

    Raises:
        BadInput: The README has no such table.
    """
    begin = re.escape(f'<!-- table: {name} -->')
    found = re.search(rf'^{begin}\n\n(.*?)\n\n{re.escape(END)}$', text, re.DOTALL | re.MULTILINE)
    if found is None:
        raise BadInput(f'the README has no table between <!-- table: {name} --> and {END}')
    return found[1]


def with_table(text: str, name: str, table: str) -> str:
    """A README with its table of this name replaced.

    Raises:
        BadInput: The README has no such table.
    """
    old = table_in(text, name)
    begin = f'<!-- table: {name} -->\n\n'
    return text.replace(f'{begin}{old}\n', f'{begin}{table}\n')


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
