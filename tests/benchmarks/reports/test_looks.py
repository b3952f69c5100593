"""What a report says of the looks of a grid."""

import pandas as pd

from benchmarks.analysis.families import EXPLORATORY, PRIMARY
from benchmarks.reports.looks import looks_conventions, looks_text

GRID = dict(looks=[{}, {}], questions=[dict(looks=dict(seeds=[2, 3, 4], levels=[0.01, 0.02, 0.03]))])


def test_settled_comparisons_are_counted_by_pairs_in_either_direction():
    rows = [
        ('b', 'a', PRIMARY, 'gain'),
        ('c', 'b', PRIMARY, 'undecided'),
        ('b', 'c', PRIMARY, 'undecided'),  # the same pair, in a second design
        ('c', 'a', EXPLORATORY, 'gain'),
    ]
    text = looks_text(GRID, pd.DataFrame(rows, columns=['stack', 'reference', 'family', 'verdict']))
    assert 'Looks were planned at 2 to 4 seeds, and taken up to 3. Settled: 1 of 2 primary comparisons.' in text
    assert looks_text({}, pd.DataFrame()) == ''


def test_the_conventions_say_once_what_is_not_corrected_for_the_looks():
    (said,) = looks_conventions(GRID)
    not_corrected = said.partition('Not corrected for the looks are ')[2]
    for what in ('single rows', 'calibration', 'hypervolume', 'accuracy against speed', 'sweeps'):
        assert what in not_corrected
    assert looks_conventions({}) == []
