"""What the README says of techniques is what their files say."""
import re
from pathlib import Path

from benchmarks.technique import read_technique

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / 'README.md').read_text()
ROW = re.compile(r'^\| `(\w+)` \| (.*) \|$', re.MULTILINE)


def test_the_techniques_table_holds_every_technique_in_its_own_words():
    techniques = [read_technique(path) for path in sorted((ROOT / 'configs' / 'techniques').glob('*.py'))]
    assert dict(ROW.findall(README)) == {row.name: row.description for row in techniques}

