import numpy as np

from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.analysis.learning import not_learned, one_class_everywhere


def cell(*images):
    """Counts of images, each given as (tp, fp, fn) of every class."""
    area = np.array(images, np.int64)
    empty = np.zeros((*area.shape[:2], 2))
    return CellCounts(area, area, empty.astype(np.int64), empty[..., 0], empty[..., 1])


BACKGROUND = cell([(90, 10, 0), (0, 0, 10)], [(100, 0, 0), (0, 0, 0)])
FOREGROUND_IN_ONE_IMAGE = cell([(90, 9, 0), (1, 0, 9)], [(100, 0, 0), (0, 0, 0)])


def test_one_class_in_all_images_is_degenerate_unless_the_truth_has_no_other():
    assert one_class_everywhere(BACKGROUND)
    assert not one_class_everywhere(FOREGROUND_IN_ONE_IMAGE)
    assert not one_class_everywhere(cell([(100, 0, 0), (0, 0, 0)]))


def test_a_refinement_that_removes_all_foreground_does_not_make_its_network_unlearned():
    counts = Counts({'a': FOREGROUND_IN_ONE_IMAGE, 'a+crf': BACKGROUND, 'b': BACKGROUND}, ['1', '2'], np.arange(2))
    assert not_learned(counts, {'a': 'k', 'a+crf': 'k', 'b': 'l'}) == {'b'}
