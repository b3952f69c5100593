"""A report shows the test images that its records have: in ``README.md``, beside it, and within the page."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks import record
from benchmarks.data.panels import VOID, Panel, write_panels
from benchmarks.reports.page import panels as page_module
from benchmarks.reports.page.panels import page_panels
from benchmarks.reports.panels.section import how_chosen, write_sheets
from benchmarks.reports.report import make_report
from benchmarks.reports.results import read_results
from benchmarks.reports.table import stack_table

HOSTILE = '"><script>alert(1)</script>[x](http://x.org)|`'


def panels(number, classes=3, size=(160, 160), colour=False, image='img000', **facts):
    """Panels with noisy images and blobs of classes, some of them void."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, classes, (3, 20, 20)).astype(np.uint8)
    maps = coarse.repeat(-(-size[0] // 20), axis=1).repeat(-(-size[1] // 20), axis=2)[:, : size[0], : size[1]]
    maps[0, :9] = VOID
    facts = dict(seed=2, rule='median', dice=81.256, reference_dice=80.0, step=1) | facts
    for _ in range(number):
        photo = rng.integers(0, 256, (*size, 3) if colour else size).astype(np.uint8)
        yield Panel(dict(stack='attention+loss', reference='attention', image=image) | facts, photo, *maps)


@pytest.fixture(scope='module')
def reported(tmp_path_factory, synthetic_out):
    """A folder with a report of three panels; one is of a row that is gone, one of an image with a hostile name."""
    out = shutil.copytree(synthetic_out, tmp_path_factory.mktemp('panels') / 'out')
    grid = record.read_grid_json(out)
    record.write_grid(out, grid | dict(classes=['background', HOSTILE, 'white']))
    shown = [*panels(1, image='img001', dice=79.98), *panels(1, stack='gone'), *panels(1, colour=True, image=HOSTILE)]
    write_panels(out, shown)
    make_report(out)
    return out


@pytest.fixture(scope='module')
def page(reported):
    """The section of the page."""
    text = (reported / 'report' / 'index.html').read_text()
    return re.search('<section id="panels".*?</section>', text, re.S)[0]


def test_the_text_shows_each_panel_and_its_numbers(reported):
    text = (reported / 'report' / 'README.md').read_text()
    assert '![+ loss against + attention, seed 2: median, −0.02 points of Dice, image img001](panels/00.png)' in text
    assert '| + loss | + attention | 2 | img001 | median | 80.0 | 80.0 | −0.02 |' in text
    files = sorted((reported / 'report' / 'panels').iterdir())
    assert [path.name for path in files] == ['00.png', '01.png'] and text.count('](panels/') == 2
    for path in files:
        with Image.open(path) as sheet:
            assert sheet.width == 1204


def test_the_row_that_the_answer_recommends_is_told_apart_from_primary_comparisons():
    own, first, second = list(panels(1, recommended=True)), list(panels(3)), list(panels(3, reference='baseline'))
    text = how_chosen([*own, *first, *second])
    assert text.startswith(
        'Of the row that the answer recommends, against the baseline, and of the first 2 primary comparisons, in the '
    )
    assert how_chosen(first).startswith('Of the first primary comparison, in the last seed that both rows have')
    assert how_chosen(own).startswith('Of the row that the answer recommends, against the baseline, in the last seed')


def test_names_are_escaped_and_nothing_is_asked_for(page):
    assert '<script' not in page and page.count('&lt;script') >= 10 and 'style=' not in page
    assert all(source.startswith('data:image/') for source in re.findall('src="([^"]*)', page))


def test_panels_can_be_left_out(reported, tmp_path):
    out = shutil.copytree(reported, tmp_path / 'out')
    assert 'Panels' not in make_report(out, panels=False).read_text() and not (out / 'report' / 'panels').exists()
    page = (out / 'report' / 'index.html').read_text()
    assert 'id="panels"' not in page and 'data:image' not in page


def test_two_sheets_are_equal_to_the_byte(tmp_path):
    grid, labels = dict(classes=['a', 'b', 'c'], background=0), {}
    contents = []
    for name in ('one', 'two'):
        write_sheets(tmp_path / name, list(panels(1, colour=True)), grid, labels)
        contents.append((tmp_path / name / 'report' / 'panels' / '00.png').read_bytes())
    assert contents[0] == contents[1]


@pytest.fixture(scope='module')
def stacks(synthetic_out):
    """The stack table of the synthetic grid."""
    return stack_table(read_results(synthetic_out))


@pytest.mark.parametrize('classes, background', [(2, 0), (20, 0), (150, None)])
def test_many_classes_have_a_bounded_legend(stacks, classes, background):
    grid = dict(classes=[f'class {n}' for n in range(classes)], background=background)
    found = page_panels(list(panels(1, classes)), grid, stacks)
    assert len(found.class_legend) + found.more_classes == classes and len(found.class_legend) <= 24
    assert len({colour for _, colour in found.class_legend}) == len(found.class_legend)
    assert found.void is not None and found.void[0].startswith('void')


def test_the_page_of_a_full_set_of_large_colour_panels_stays_small(stacks):
    grid = dict(classes=[f'class {n}' for n in range(20)], background=0)
    found = page_panels(list(panels(15, 20, (768, 500), colour=True)), grid, stacks)
    pictures = [picture for _, tiles in found.panels for tile in tiles for picture in (tile.whole, tile.part)]
    assert sum(len(picture.uri) for picture in pictures) <= page_module.MOST_BYTES
    assert len(found.panels) + found.more == 15 and len(found.panels) >= 8
    assert max(max(picture.width, picture.height) for picture in pictures) <= 240
    assert all(picture.alt for picture in pictures)
    beside_many = page_panels(list(panels(15, 20, (768, 500), colour=True)), grid, pd.concat([stacks] * 10))
    assert 0 < len(beside_many.panels) < len(found.panels) and len(beside_many.panels) + beside_many.more == 15
