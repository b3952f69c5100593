"""The colours of the page can be read on a light and on a dark screen (WCAG 2.2, levels AA 1.4.3 and 1.4.11)."""

import re
from pathlib import Path

import pytest

from benchmarks.reports.page import figure

CSS = (Path(figure.__file__).parent / 'templates' / 'page.css').read_text()
MARKS = ('BLUE', 'PALE_BLUE', 'ORANGE', 'BROWN', 'PURPLE', 'GREY')


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear))


def contrast(one, other):
    """From 1, the same, to 21, black on white."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def palettes():
    """The variables of the light and of the dark page."""
    light, dark = (
        dict(re.findall(r'--(\w+): (#\w{6})', block)) for block in re.findall(r':root {(.*?)}', CSS, re.S)[:2]
    )
    return dict(light=light, dark=light | dark)


def test_contrast_of_black_on_white():
    assert contrast('#000000', '#ffffff') == 21 and contrast('#777777', '#ffffff') < 4.5 < contrast(
        '#767676', '#ffffff'
    )


@pytest.mark.parametrize('mode', ['light', 'dark'])
@pytest.mark.parametrize('behind', ['page', 'raised'])
@pytest.mark.parametrize('text', ['text', 'soft', 'link', 'good', 'bad'])
def test_texts(mode, behind, text):
    palette = palettes()[mode]
    assert contrast(palette[text], palette[behind]) >= 4.5


@pytest.mark.parametrize('mode', ['light', 'dark'])
@pytest.mark.parametrize('mark', MARKS)
def test_marks_of_figures(mode, mark):
    assert contrast(getattr(figure, mark), palettes()[mode]['page']) >= 3


def test_gain_and_loss_differ_in_grey_or_in_shape():
    """Blue and orange, which all common kinds of colour vision tell apart; points have shapes of their own, too."""
    from benchmarks.reports.page.accuracy_cost_spec import SHAPES

    assert len(set(SHAPES.values())) == len(SHAPES)
