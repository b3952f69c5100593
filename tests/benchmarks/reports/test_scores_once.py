"""A report computes each score of each cell once, whatever number of tables it stands in."""

from collections import Counter

from benchmarks.analysis.scores import SCORES
from benchmarks.analysis.ways import WAYS
from benchmarks.reports.report import make_report


def test_each_score_of_a_cell_is_computed_once_for_a_report(synthetic_out, monkeypatch):
    computed: Counter[str] = Counter()

    def counted(table, name):
        score = table[name]

        def addends(counts, foreground):
            computed[name] += len(counts.area) if counts.area.ndim == 4 else 1
            return score.addends(counts, foreground)

        monkeypatch.setitem(table, name, score._replace(addends=addends))

    for table in (SCORES, WAYS):
        for name in table:
            counted(table, name)
    make_report(synthetic_out)
    assert computed == dict.fromkeys([*SCORES, *WAYS], 8)  # three stacks x three seeds, one of which failed


def test_a_score_of_the_tables_is_no_other_one_in_the_audit_of_scoring():
    shared = {'dice': 'Dice per image', 'miou': 'IoU with background pooled over images', 'nsd': 'surface Dice'}
    for name, way in shared.items():
        assert all(getattr(SCORES[name], part) is getattr(WAYS[way], part) for part in ('addends', 'finish', 'weights'))
    assert SCORES['hd95_px'].finish is not WAYS['HD95'].finish  # there less is better
