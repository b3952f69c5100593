"""What the README says of techniques and of committed results is what their files say."""
import csv
import re
from collections import Counter
from pathlib import Path

from benchmarks.technique import read_technique

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / 'README.md').read_text()
ROW = re.compile(r'^\| `(\w+)` \| (.*) \| (.*) \|$', re.MULTILINE)


def test_the_techniques_table_holds_every_technique_in_its_own_words():
    techniques = [read_technique(path) for path in sorted((ROOT / 'configs' / 'techniques').glob('*.py'))]
    assert {name: text for name, text, _ in ROW.findall(README)} == {row.name: row.description for row in techniques}


def test_the_techniques_table_counts_what_the_compatibility_records_say():
    with open(ROOT / 'results' / 'compatibility' / 'compatibility.csv', newline='') as stream:
        lines = list(csv.DictReader(stream))
    works = Counter(line['technique'] for line in lines if line['works'] == 'True')
    assert {name: int(count) for name, _, count in ROW.findall(README)} == {
        line['technique']: works[line['technique']] for line in lines if line['technique']}
