import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from benchmarks.reports.figures import accuracy_speed
from benchmarks.reports.point_labels import MOST_TRIED


def table(rows):
    columns = ['label', 'dice', 'dice_low', 'dice_high', 'latency_ms_p50']
    return pd.DataFrame(rows, columns=columns).assign(status='ok', n_seeds=3, seeds_not_learned=0)


CROWDED = table(
    [
        ('baseline', 80.3, 77, 83.4, 20.0),
        ('+ attention', 80.9, 77.9, 83.8, 21.5),
        ('+ focal', 82.4, 79.8, 85, 21.6),
        ('+ multi-scale training', 83.1, 80.6, 85.6, 21.4),
        ('+ multi-scale inference', 84.2, 82, 86.5, 75.0),
        ('+ flip TTA', 84.6, 82.4, 86.8, 150.0),
        ('+ CRF', 84.3, 82.0, 86.6, 260.0),
        ('+ morphology', 84.5, 82, 87, 158.0),
    ]
)


def rings(axes):
    """The points that a ring marks."""
    marked = [one for one in axes.collections if isinstance(one, PathCollection)]
    return [tuple(map(float, place)) for one in marked for place in one.get_offsets()]


def test_a_busy_machine_and_latencies_within_noise_are_marked(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(plt, 'close', kept.append)
    rows = CROWDED.iloc[:3].assign(
        latency_ms_p50=[47.0, 96.0, 300.0],
        dice=[80.0, 82.0, 79.0],
        dice_low=77.0,
        dice_high=85.0,
        latency_noise=[0.1, 0.6, 0.1],
        machine_busy=['', '2.0 cores', ''],
    )
    accuracy_speed(rows, tmp_path / 'a.png', 'title', 'caption')
    monkeypatch.undo()
    axes = kept[0].axes[0]
    texts = [label.get_text() for label in axes.texts]
    assert texts.count('+ attention') == texts.count('baseline') == 1 and not any('busy' in text for text in texts)
    assert rings(axes) == [(96.0, 82.0)]
    caption = ' '.join(kept[0].texts[0].get_text().split())
    assert caption == 'caption The machine was busy while 1 of 3 latencies was measured (ring).'
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ['beaten by no other mean', 'as fast as a better one, within noise', 'beaten by another mean']
    assert axes.get_legend().get_window_extent().x0 >= 0
    plt.close(kept[0])


def test_figure_is_1200_pixels_wide(tmp_path):
    path = accuracy_speed(CROWDED, tmp_path / 'a.png', 'title', 'caption')
    height, width = plt.imread(path).shape[:2]
    assert width == 1200 and 700 < height < 900
    assert plt.get_fignums() == []


def test_labels_do_not_overlap_each_other_and_stay_inside(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(plt, 'close', kept.append)
    accuracy_speed(CROWDED, tmp_path / 'a.png', 'title', 'caption')
    monkeypatch.undo()
    axes = kept[0].axes[0]
    boxes = [label.get_window_extent() for label in axes.texts if label.get_text()]
    assert len(boxes) == len(CROWDED)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert all(axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 for box in boxes)
    plt.close(kept[0])


@pytest.mark.slow
def test_with_more_rows_than_labels_find_a_place_the_front_and_the_first_row_have_theirs(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(plt, 'close', kept.append)
    rows = table(
        [('baseline', 75.0, 72, 78, 20.0)]
        + [(f'one of the beaten techniques, number {i}', 74.9 - i / 40, 71, 77, 20.1 + i / 80) for i in range(60)]
        + [('the best', 80.0, 78, 82, 30.0), ('the fastest', 70.0, 68, 72, 15.0)]
    )
    accuracy_speed(rows, tmp_path / 'a.png', 'title', 'caption')
    monkeypatch.undo()
    labels = {label.get_text(): label.get_window_extent() for label in kept[0].axes[0].texts if label.get_text()}
    assert {'baseline', 'the best', 'the fastest'} <= set(labels) and len(labels) < 30
    assert not any(a.overlaps(b) for a, b in itertools.combinations(labels.values(), 2))
    plt.close(kept[0])


def test_a_partly_failed_row_is_marked(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(plt, 'close', kept.append)
    rows = CROWDED.copy()
    rows.loc[0, ['status', 'n_seeds']] = 'failed: timeout (2 of 3)', 1
    accuracy_speed(rows, tmp_path / 'a.png', 'title', 'caption')
    monkeypatch.undo()
    assert 'baseline (only 1 of its seeds ok)' in [label.get_text() for label in kept[0].axes[0].texts]
    plt.close(kept[0])


@pytest.mark.parametrize('rows', [CROWDED.iloc[:1], CROWDED.assign(dice_low=np.nan, dice_high=np.nan)])
def test_one_point_and_points_without_interval_are_drawn(tmp_path, rows):
    path = accuracy_speed(rows, tmp_path / 'a.png', 'title', 'caption')
    assert plt.imread(path).shape[1] == 1200


def test_without_a_point_there_is_no_figure(tmp_path):
    (tmp_path / 'a.png').write_bytes(b'old')
    assert accuracy_speed(CROWDED.assign(latency_ms_p50=np.nan), tmp_path / 'a.png', 't', 'c') is None
    assert not (tmp_path / 'a.png').exists()


def test_the_figure_for_print_has_the_same_bytes_twice_and_the_width_of_a_text(tmp_path):
    paths = [accuracy_speed(CROWDED, tmp_path / f'{name}.svg', 'Title', 'caption') for name in 'ab']
    first, second = (path.read_bytes() for path in paths)
    assert first == second and b'width="482.4pt"' in first  # 6.7 inches
    assert b'<dc:date>' not in first and b'Matplotlib' not in first and b'<script' not in first


def test_without_points_no_figure_for_print_stays(tmp_path):
    (tmp_path / 'a.svg').write_text('an older one')
    assert accuracy_speed(CROWDED.assign(seeds_not_learned=1), tmp_path / 'a.svg', 't', 'c') is None
    assert not (tmp_path / 'a.svg').exists()


def test_a_figure_of_many_rows_shows_all_points_and_says_which_labels_it_leaves_out(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(plt, 'close', kept.append)
    rng = np.random.default_rng(0)
    dice = rng.uniform(70, 80, MOST_TRIED + 1)
    rows = table([(f'row {i}', y, y - 1, y + 1, 20.0 + i) for i, y in enumerate(dice)])
    accuracy_speed(rows, tmp_path / 'many.svg', 'title', 'caption')
    accuracy_speed(rows[:-1], tmp_path / 'few.svg', 'title', 'caption')
    monkeypatch.undo()
    many, few = (' '.join(figure.texts[0].get_text().split()) for figure in kept)
    said = f'Of {len(rows)} rows {MOST_TRIED} can have a label: the first, those on the front, those nearest below it.'
    assert said in many
    assert few == 'caption'
    drawn = [bars[0].get_xdata() for bars in kept[0].axes[0].containers]
    assert sorted(np.concatenate(drawn)) == sorted(rows['latency_ms_p50'])
    for figure in kept:
        plt.close(figure)
