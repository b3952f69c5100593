"""The tables of the READMEs are those of configs, code and records; a new technique leaves them as they are."""

import re
import shutil
from pathlib import Path

import pytest

from benchmarks.check import readme_tables
from benchmarks.check.compatibility import ALONE, TABLE, read_outcomes
from benchmarks.check.readme_tables import HEADLINES, NEW, main, outdated_tables, table_in, techniques_without_row
from benchmarks.speed.side_by_side import RESULTS
from benchmarks.speed.table import short_table

ROOT = Path(__file__).resolve().parents[1]
PARTS = (
    *('README.md', 'plugins/README.md', 'benchmarks/README.md', 'results/README.md'),
    *('configs/techniques', 'results/compatibility', *(f'results/{name}/report' for name in HEADLINES)),
    *(
        str(path.relative_to(ROOT))
        for pattern in ('grid.json', 'report/table.csv', 'report/comparisons.csv')
        for path in (ROOT / 'results').glob(f'*/{pattern}')
    ),
)
TECHNIQUE = """title = 'dice'
description = 'A new row.'
overlay = dict(model=dict(decode_head=dict(dropout_ratio=0.3)))
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of the files that the tables are made of."""
    for part in PARTS:
        source, target = ROOT / part, tmp_path / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns('__pycache__'), dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
    for name in techniques_without_row(tmp_path):  # rows that somebody has added to this checkout
        (tmp_path / 'configs' / 'techniques' / f'{name}.py').unlink()
    monkeypatch.setattr(readme_tables, 'ROOT', tmp_path)
    return tmp_path


def technique_rows(root):
    return table_in((root / 'plugins' / 'README.md').read_text(), 'techniques').splitlines()


def test_the_committed_tables_are_current():
    assert outdated_tables(ROOT) == []


def test_the_short_table_of_speed_is_made_of_the_committed_results():
    assert table_in((ROOT / 'README.md').read_text(), 'speed') == short_table(ROOT / RESULTS)


def test_the_text_says_how_many_models_run_by_themselves():
    outcomes = read_outcomes(ROOT / 'results' / 'compatibility' / TABLE)
    alone = [outcome.works for outcome in outcomes if outcome.technique == ALONE]
    assert f"{sum(alone)} of mmsegmentation's {len(alone)} `_base_/models`" in (ROOT / 'results/README.md').read_text()


def test_a_new_technique_makes_no_table_outdated_and_gets_a_row_when_asked_for(checkout, capsys):
    (checkout / 'configs' / 'techniques' / 'dice.py').write_text(TECHNIQUE)
    before = technique_rows(checkout)
    assert outdated_tables(checkout) == []
    assert techniques_without_row(checkout) == ['dice']
    assert main(['--check']) == 0 and 'dice' in capsys.readouterr().out
    assert technique_rows(checkout) == before
    assert main([]) == 0
    assert technique_rows(checkout) == [*before, NEW, '| `dice` | A new row. |  | – |']
    assert outdated_tables(checkout) == [] and techniques_without_row(checkout) == []


def test_a_changed_description_makes_the_table_outdated(checkout, capsys):
    path = checkout / 'configs' / 'techniques' / 'focal.py'
    text = path.read_text()
    path.write_text(text.replace('Focal loss over', 'A focal loss over'))
    assert path.read_text() != text
    assert outdated_tables(checkout) == ['plugins/README.md: the table techniques']
    assert main(['--check']) == 1 and 'readme_tables' in capsys.readouterr().out
    assert main([]) == 0
    assert outdated_tables(checkout) == []
    assert any('A focal loss over' in row for row in technique_rows(checkout))


def test_a_technique_that_is_gone_makes_the_table_outdated(checkout):
    (checkout / 'configs' / 'techniques' / 'focal.py').unlink()
    assert outdated_tables(checkout) == ['plugins/README.md: the table techniques']
    assert main([]) == 0
    assert not any('`focal`' in row for row in technique_rows(checkout))


def test_another_result_makes_the_tables_outdated(checkout):
    report = checkout / 'results' / 'quickstart' / 'report' / 'README.md'
    report.write_text(re.sub(r'\| baseline \| \d+\.\d', '| baseline | 97.3', report.read_text()))
    table = checkout / 'results' / 'compatibility' / TABLE
    table.write_text(table.read_text().replace(',focal,True', ',focal,False', 1))
    assert outdated_tables(checkout) == ['README.md: the table quickstart', 'plugins/README.md: the table techniques']
