"""Masks with palettes: labels that contradict the colours are pointed out."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from benchmarks.data.file_facts import FileStore
from benchmarks.data.palettes import palette_warnings

BLACK, GREY, WHITE, RED, GREEN = (0, 0, 0), (128, 128, 128), (255, 255, 255), (255, 0, 0), (0, 255, 0)
STRIPES = np.arange(60, dtype=np.uint8).reshape(6, 10) % 3


@pytest.fixture
def warnings(tmp_path):
    """The warnings of masks with three labels, each with the palette of its row."""

    def of(*palettes, suffix='.png', label_map=None):
        paths = []
        for number, colours in enumerate(palettes):
            image = Image.fromarray(STRIPES, 'P')
            image.putpalette([value for colour in colours for value in colour])
            paths.append(str(tmp_path / f'{number}{suffix}'))
            image.save(paths[-1])
        split = SimpleNamespace(name='train', masks=paths, mask_backend='pillow', label_map=label_map)
        return palette_warnings(split, FileStore())

    return of


@pytest.mark.parametrize('suffix', ['.png', '.gif'])
def test_one_colour_with_two_labels_is_told_with_both_files(warnings, suffix):
    (text,) = warnings((BLACK, RED, GREEN), (BLACK, GREEN, RED), suffix=suffix)
    assert '(0, 255, 0) is label 2 in' in text and f'0{suffix}' in text and f'1{suffix}' in text


def test_greys_in_another_order_are_told_with_the_exchange(warnings):
    (text,) = warnings((WHITE, BLACK, GREY))
    assert 'label 0 is (255, 255, 255)' in text and 'label_map={1: 0, 2: 1, 0: 2}' in text
    assert warnings((WHITE, BLACK, GREY), label_map={1: 0, 2: 1, 0: 2}) == []


def test_sound_palettes_are_not_warned_of(warnings):
    assert warnings((BLACK, RED, GREEN), (BLACK, RED, GREEN)) == []
    assert warnings((BLACK, GREY, WHITE)) == []
