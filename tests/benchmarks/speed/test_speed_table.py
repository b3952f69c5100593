"""The pages that show speed comparisons say what their results say."""

import json
from pathlib import Path

from benchmarks.speed.table import PAGE, page, row

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ROOT / 'results' / 'speed'
LINE = dict(
    what='2 maps',
    reference='a loop',
    ours='at once',
    reference_s=2.5,
    ours_s=0.0125,
    ratio=200.4,
    low=198.0,
    high=201.26,
    rounds=3,
    reach=8.0,
    note='equal',
)


def test_a_row_by_hand():
    assert row(LINE) == '| 2 maps | at once: 12.5 ms | a loop: 2.5 s | 200× [198, 201] |'


def test_the_page_names_command_machine_and_versions(tmp_path):
    around = dict(cpu=dict(model='A CPU', usable_cores=2), gpus=['a GPU'], packages=dict(torch='2.0'))
    (tmp_path / 'maps.json').write_text(
        json.dumps(dict(name='maps', command='python -m x', load_average=1.5, lines=[LINE, LINE], environment=around))
    )
    text = page(tmp_path)
    assert '`python -m x` on A CPU, 2 cores, a GPU; load 1.5' in text and 'torch 2.0' in text
    assert text.count(row(LINE)) == 2 and text.count('- equal') == 1


def test_the_committed_page_is_made_of_the_committed_results():
    assert (RESULTS / PAGE).read_text() == page(RESULTS)


def test_what_the_readme_tells_of_speed_stands_on_that_page():
    section = (ROOT / 'README.md').read_text().split('\n## Speed\n')[1].split('\n## ')[0]
    told = [line for line in section.splitlines() if line.startswith('| ') and '×' in line]
    rows = (RESULTS / PAGE).read_text().splitlines()
    assert len(told) > 5 and not set(told) - set(rows)
