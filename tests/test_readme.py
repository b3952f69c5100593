"""What the README says of techniques is what their files, and the table of mmseg's models, say."""

import re
from collections import Counter
from pathlib import Path

from benchmarks.check.compatibility import ALONE, TABLE, read_outcomes
from benchmarks.stacks.technique import read_technique

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / 'README.md').read_text()
ROW = re.compile(r'^\| `(\w+)` \| (.*) \| (\d+|–) \|$', re.MULTILINE)
UNTRIED = '–'


def test_the_techniques_table_holds_every_technique_in_its_own_words():
    techniques = [read_technique(path) for path in sorted((ROOT / 'configs' / 'techniques').glob('*.py'))]
    assert {name: text for name, text, _ in ROW.findall(README)} == {row.name: row.description for row in techniques}


def test_the_techniques_table_says_on_how_many_models_each_works():
    outcomes = read_outcomes(ROOT / 'results' / 'compatibility' / TABLE)
    usable = {one.model for one in outcomes if one.technique == ALONE and one.works}
    tried, works = Counter(one.technique for one in outcomes), Counter(one.technique for one in outcomes if one.works)
    said = {name: count for name, _, count in ROW.findall(README)}
    assert said == {name: str(works[name]) if tried[name] == len(usable) else UNTRIED for name in said}
    assert f'of the {len(usable)} (of {tried[ALONE]}) that run' in README
