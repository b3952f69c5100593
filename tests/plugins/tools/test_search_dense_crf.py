"""The search for the dense CRF's parameters: its score, its combinations, and its table."""

import numpy as np
import pytest

from plugins.tools import search_dense_crf as module
from plugins.tools.search_dense_crf import GRID, combinations, foreground_dice, main

SMALL = dict(
    gaussian_sxy=(1, 3), gaussian_compat=(0, 3), bilateral_sxy=(5,), bilateral_srgb=(13,), bilateral_compat=(0,)
)


def test_dice_of_a_map_drawn_by_hand():
    truth = np.array([[0, 1, 1, 255], [0, 0, 2, 255]])
    labels = np.array([[0, 1, 0, 1], [1, 0, 2, 2]])
    # class 1: tp 1, fp 1, fn 1; class 2: tp 1; the void column does not count
    assert foreground_dice(labels, truth, 4) == pytest.approx((2 / 4 + 1) / 2)


def test_the_void_label_may_be_another_one():
    truth, labels = np.array([[0, 1, 254]]), np.array([[0, 1, 1]])
    assert foreground_dice(labels, truth, 2, void=254) == 1


def test_dice_without_foreground_is_nan_and_without_overlap_0():
    nothing, something = np.zeros((2, 2), int), np.eye(2, dtype=int)
    assert np.isnan(foreground_dice(nothing, nothing, 3))
    assert foreground_dice(nothing, something, 3) == 0


def test_the_spreads_of_a_kernel_without_weight_are_not_varied():
    found = list(combinations(SMALL))
    assert [(one['gaussian_sxy'], one['gaussian_compat']) for one in found] == [(1, 0), (1, 3), (3, 3)]


def test_no_combination_comes_twice():
    found = [tuple(one.items()) for one in combinations(GRID)]
    gaussian, bilateral = 2 * 3, 3 * 3 * 4 + 1
    assert len(found) == len(set(found)) == gaussian * bilateral


def test_the_best_combination_is_printed_last_and_compared_with_no_crf(tmp_path, monkeypatch, capsys):
    truth = np.zeros((12, 12), int)
    truth[3:9, 3:9] = 1
    probs = np.where(truth == 1, 0.9, 0.1)
    probs[5, 5] = 0.3  # a hole that smoothing fills
    image = np.repeat((100 * truth[..., None]).astype(np.uint8), 3, -1)
    maps = [(np.stack([1 - probs, probs]).astype(np.float32), image, truth)]
    monkeypatch.setattr(module, 'validation_maps', lambda config, checkpoint: (maps, 255))
    monkeypatch.setattr(module, 'GRID', SMALL)
    for name in ('config.py', 'checkpoint.pth'):
        (tmp_path / name).touch()
    main([str(tmp_path / 'config.py'), str(tmp_path / 'checkpoint.pth')])
    *rows, without = capsys.readouterr().out.splitlines()
    scores = [float(row.split()[0]) for row in rows]
    assert len(rows) == 3 and scores == sorted(scores) and scores[-1] == 100
    assert without == f'{100 * 70 / 71:6.2f}  without the CRF, on 1 validation images'


def test_a_missing_file_ends_with_status_2_and_a_message(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / 'lost.py'), str(tmp_path / 'lost.pth')])
    assert ended.value.code == 2 and 'lost.py is missing' in capsys.readouterr().err
