"""Facts of many predictions of one image, measured against one kept annotation."""

import subprocess
import sys

import numpy as np
import pytest

from benchmarks.analysis.counts import read_counts
from benchmarks.data.split import Split
from benchmarks.probes.truth import Truth
from benchmarks.record import write_counts
from benchmarks.stages.facts import FactsTable, read_facts
from benchmarks.stages.strata import StrataTable, read_strata


def test_a_kept_annotation_gives_the_same_rows():
    rng = np.random.default_rng(0)
    annotation = np.kron(rng.integers(0, 3, (5, 6)), np.ones((6, 6), np.int64)).astype(np.int64)
    annotation[:3] = 9  # void
    split = Split('test', ['x/1.png'], [''], ['1'], ['p'], True, ('a', 'b', 'c'), 0, False, None, 9, ('x',))
    kept, anew = ([FactsTable(split, 3) for _ in range(4)] for _ in range(2))
    truth = Truth(annotation, 3, split.ignore_index)
    for one, other in zip(kept, anew):
        labels = np.where(rng.random(annotation.shape) < 0.8, annotation % 3, 1).astype(np.uint8)
        one.add('x/1.png', labels, truth)
        other.add('x/1.png', labels, annotation)
    assert [table.rows for table in kept] == [table.rows for table in anew]
    assert kept[0].rows != kept[1].rows


def test_who_reads_facts_imports_no_compiler():
    code = "import sys, benchmarks.stages.facts; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, '-c', code], check=True)


@pytest.mark.parametrize('name', ['ü 日本', 'a\nb', 'a,"b\'', '<b>&amp;', '%s{x}', '=1+1', 'NA', '001', ' a '])
def test_names_of_all_kinds_come_back_from_facts_to_counts(tmp_path, name):
    split = Split('test', ['x/1.png'], [''], [name], [name], True, ('a', 'b'), 0, False, None, 255, ('x',))
    table, strata = FactsTable(split, 2), StrataTable(split)
    labels = np.array([[0, 1], [1, 1]])
    truth = Truth(labels, 2, 255)
    table.add('x/1.png', labels, truth)
    strata.add('x/1.png', labels, np.zeros((2, 2), np.uint16), truth)
    for one in (table, strata):
        one.write(tmp_path)
    assert {row['image'] for row in read_strata(tmp_path)} == {name}
    write_counts(tmp_path, [dict(cell='baseline__seed0', **row) for row in read_facts(tmp_path)], ['a', 'b'])
    assert read_counts(tmp_path).images == [name]
