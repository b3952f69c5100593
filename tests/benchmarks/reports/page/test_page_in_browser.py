"""The page in headless Chromium: nothing fails, nothing is asked for, and what can be clicked or typed works."""

import importlib.util
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from needed_programs import missing

from benchmarks import record
from benchmarks.data.panels import VOID, Panel, write_panels
from benchmarks.reports.report import make_report

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[4]
SCREENS = dict(desktop=(1280, 900), phone=(390, 844))
HOSTILE = '</script><script>window.broken = 1</script><img src=x onerror="window.broken = 1">'
FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update']


@pytest.fixture(scope='module')
def browser():
    """Debian's Chromium; CI installs it, and must not leave these tests out."""
    program = shutil.which('chromium')
    if program is None:
        missing('there is no chromium: apt-get install chromium')
    if importlib.util.find_spec('playwright') is None:
        missing("there is no playwright: pip install -e '.[test]'")
    from playwright import sync_api as api

    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


def panel(rule):
    """A panel with a disc, another one that is predicted beside it, and void pixels."""
    rows, columns = np.indices((120, 160))
    discs = [((rows - 60) ** 2 + (columns - middle) ** 2 < 900).astype(np.uint8) for middle in (70, 76, 84)]
    truth = np.where(rows < 12, VOID, discs[0]).astype(np.uint8)
    image = (60 + 120 * discs[0] + np.random.default_rng(0).integers(0, 30, truth.shape)).astype(np.uint8)
    facts = dict(image=f'img000 {HOSTILE}', rule=rule, dice=90.0, reference_dice=81.0, step=1)
    return Panel(dict(stack='attention', reference='baseline', seed=1) | facts, image, truth, discs[2], discs[1])


@pytest.fixture(scope='module')
def path(tmp_path_factory, synthetic_writer):
    """The page of the synthetic grid, in which a row and a class have names that would break out of a page."""
    out = synthetic_writer(tmp_path_factory.mktemp('page'))
    grid = record.read_grid_json(out)
    rows = [row | dict(label=f'{row["label"]} {HOSTILE}') if row['techniques'] else row for row in grid['rows']]
    record.write_grid(out, grid | dict(rows=rows, classes=['background', 'grey', HOSTILE]))
    write_panels(out, [panel('largest gain'), panel('median')])
    return make_report(out).with_name('index.html')


@pytest.fixture
def opened(browser, path, tmp_path):
    """Opens the page; at the end of the test nothing may have failed, and nothing may have been asked for."""
    problems, contexts = [], []

    def open_page(screen='desktop', **how):
        width, height = SCREENS[screen]
        context = browser.new_context(viewport=dict(width=width, height=height), **how)
        contexts.append(context)
        page = context.new_page()
        page.on('pageerror', lambda error: problems.append(f'error: {error}'))
        page.on('console', lambda said: problems.append(said.text) if said.type == 'error' else None)
        page.on('request', lambda asked: problems.append(asked.url) if asked.url != path.as_uri() else None)
        page.on('dialog', lambda dialog: problems.append('a dialog'))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def until(page, condition):
    """Wait for a condition. Playwright's own wait would evaluate it within the page, whose policy forbids that."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f'never true: {condition}')


def drawn(page):
    page.wait_for_function(
        'document.querySelectorAll(".plot svg").length === document.querySelectorAll(".plot").length'
    )
    return page


def names(page):
    """The names of the rows that the table shows, from top to bottom, without what they share."""
    texts = page.locator('#improvement tbody tr:visible th').all_inner_texts()
    return [text.split(' <')[0] for text in texts]


def screenshots():
    """Where screenshots stay, for people and CI to look at."""
    folder = Path(os.environ.get('SCREENSHOTS') or ROOT / '.ci-artifacts' / 'screenshots')
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('screen', SCREENS)
def test_the_page_is_drawn_within_the_screen(opened, screen, scheme):
    page = drawn(opened(screen, color_scheme=scheme))
    page.screenshot(path=screenshots() / f'{screen}_{scheme}.png', full_page=True)
    assert page.locator('.plot svg').count() == page.locator('.plot[role=img][aria-label]').count() == 6
    assert page.evaluate('document.documentElement.scrollWidth') <= SCREENS[screen][0]
    background = page.evaluate('getComputedStyle(document.body).backgroundColor')
    assert (sum(map(int, re.findall(r'\d+', background))) < 380) == (scheme == 'dark')


def test_names_are_shown_and_not_run(opened):
    page = drawn(opened())
    assert page.evaluate('window.broken') is None
    assert page.locator('main img').count() == page.locator('#panels img').count() == 2 * 2 * 6 + 1
    assert page.locator('#improvement tbody th').nth(1).inner_text() == f'+ attention {HOSTILE}'
    assert HOSTILE in page.locator('#rows').inner_text()


def test_the_table_is_sorted_by_mouse_and_by_keyboard(opened):
    page = opened()
    head = page.get_by_role('columnheader', name='latency p50, ms')
    head.get_by_role('button').click()
    assert names(page) == ['+ loss', '+ attention', 'baseline'] and head.get_attribute('aria-sort') == 'descending'
    head.get_by_role('button').press('Enter')
    assert names(page) == ['baseline', '+ attention', '+ loss'] and head.get_attribute('aria-sort') == 'ascending'
    page.locator('#improvement thead .name button').press('Space')
    assert names(page) == ['+ attention', '+ loss', 'baseline']


def test_the_table_is_filtered(opened):
    page = opened()
    page.get_by_label('Filter').fill('LOSS gain')
    assert names(page) == ['+ loss'] and page.get_by_role('status').inner_text() == '1 of 3 rows'
    page.get_by_label('Filter').fill('')
    assert len(names(page)) == 3 and page.get_by_role('status').inner_text() == ''


def test_the_metric_changes_the_table_and_the_figures(opened):
    page = drawn(opened())
    page.locator('#table-metric').select_option(label='mIoU')
    heads = page.locator('#improvement thead th:visible').all_inner_texts()
    assert any('mIoU' in head for head in heads) and not any('Dice, %' in head for head in heads if 'publ' not in head)
    until(page, 'document.querySelector("#figure-accuracy-cost svg").textContent.includes("mIoU, points")')
    until(page, 'document.querySelector("#figure-steps svg").textContent.includes("mIoU, points")')


@pytest.mark.parametrize('screen', SCREENS)
def test_differences_verdicts_and_the_multiple_of_the_latency_are_seen_without_scrolling(opened, screen):
    page = opened(screen)
    seen = page.locator('#improvement').evaluate(
        """table => [...table.rows].flatMap((row) => [...row.cells]).filter((cell) => {
             const kind = table.tHead.rows[0].cells[cell.cellIndex].dataset.kind;
             return !cell.hidden && ['Δ previous row', 'Δ baseline', 'latency, × baseline'].includes(kind);
           }).map((cell) => cell.getBoundingClientRect().right <= table.parentElement.getBoundingClientRect().right)"""
    )
    assert len(seen) == 3 * 4 and all(seen)


def test_columns_are_chosen_and_only_what_differs_is_shown(opened):
    page = opened()
    heads = page.locator('#improvement thead th:visible')
    page.locator('.columns summary').click()
    page.get_by_role('checkbox', name='parameters, millions').check()
    assert any('parameters' in head for head in heads.all_inner_texts())
    page.get_by_label('only what differs').check()  # all rows have as many parameters
    shown = heads.all_inner_texts()
    assert not any('parameters' in head for head in shown) and any('latency' in head for head in shown)


def test_hovering_tells_the_numbers_of_a_point(opened):
    page = drawn(opened())
    page.locator('#figure-accuracy-cost .mark-symbol.role-mark path').last.hover()
    tip = page.locator('#vg-tooltip-element')
    tip.wait_for(state='visible')
    assert '+ loss' in tip.inner_text() and 'gain' in tip.inner_text() and HOSTILE in tip.inner_text()


def test_the_cost_and_the_scale_are_chosen_and_zoom_has_buttons(opened):
    page = drawn(opened())
    figure = page.locator('#figure-accuracy-cost')
    domain = 'document.querySelector("#figure-accuracy-cost").view.view.scale("x").domain()'
    figure.get_by_label('Cost', exact=True).select_option(label='training, s')
    until(page, 'document.querySelector("#figure-accuracy-cost svg").textContent.includes("training, s")')
    figure.get_by_label('Axis', exact=True).select_option('linear')
    until(page, 'document.querySelector("#figure-accuracy-cost").view.view.scale("x").type === "linear"')
    low, high = page.evaluate(domain)
    figure.get_by_label('Zoom in').press('Enter')
    until(page, f'{domain}[0] > {low}')
    inner = page.evaluate(domain)
    assert low < inner[0] < inner[1] < high
    figure.get_by_role('button', name='Reset').click()
    until(page, f'Math.abs({domain}[0] - {low}) < 1e-3 * {low}')


def test_a_mouse_moves_and_zooms_the_figure_and_a_finger_scrolls_the_page(opened):
    page = drawn(opened('phone', has_touch=True, is_mobile=True))
    plot = page.locator('#figure-accuracy-cost svg')
    domain = 'document.querySelector("#figure-accuracy-cost").view.view.scale("y").domain()'
    plot.scroll_into_view_if_needed()
    box, scrolled, (low, high) = plot.bounding_box(), page.evaluate('scrollY'), page.evaluate(domain)
    x, y = box['x'] + box['width'] / 2, box['y'] + box['height'] / 2
    fingers = page.context.new_cdp_session(page)
    fingers.send('Input.dispatchTouchEvent', dict(type='touchStart', touchPoints=[dict(x=x, y=y)]))
    for step in range(1, 12):
        fingers.send('Input.dispatchTouchEvent', dict(type='touchMove', touchPoints=[dict(x=x, y=y - 10 * step)]))
        page.wait_for_timeout(20)
    fingers.send('Input.dispatchTouchEvent', dict(type='touchEnd', touchPoints=[]))
    until(page, f'scrollY > {scrolled} + 50')
    assert page.evaluate(domain) == [low, high]
    box = plot.bounding_box()
    page.mouse.move(x, box['y'] + box['height'] / 2)
    page.mouse.down()
    page.mouse.move(x, box['y'] + box['height'] / 2 + 40, steps=4)
    page.mouse.up()
    until(page, f'{domain}[0] > {low}')
    height = page.evaluate(f'{domain}[1] - {domain}[0]')
    page.keyboard.down('Control')
    page.mouse.wheel(0, -200)
    until(page, f'{domain}[1] - {domain}[0] < {0.99 * height}')


def test_a_name_leads_to_where_its_row_comes_from(opened):
    page = opened()
    page.locator('#improvement tbody a').nth(1).press('Enter')
    page.locator('#row-2[open]').wait_for()
    assert 'tattention' in page.locator('#row-2').inner_text()


def test_a_figure_is_saved(opened, tmp_path):
    page = drawn(opened())
    for kind, start in (('SVG', b'<svg'), ('PNG', b'\x89PNG')):
        with page.expect_download() as download:
            page.locator('#figure-steps').get_by_role('button', name=f'Save {kind}').click()
        download.value.save_as(tmp_path / kind)
        assert (tmp_path / kind).read_bytes().startswith(start)


def test_panels_are_within_the_page_and_fit_a_phone(opened):
    page = opened('phone')
    pictures = page.locator('#panels .tile img')
    sizes = pictures.evaluate_all(
        'all => all.map((one) => [one.complete, one.naturalWidth, one.alt.length, one.width])'
    )
    assert len(sizes) == 24 and all(complete and width > 0 and alt > 5 for complete, width, alt, _ in sizes)
    assert max(width for *_, width in sizes) < 130
    page.locator('#panels summary').click()
    assert page.locator('#panels tbody tr').count() == 2


def test_the_spread_of_images_is_chosen(opened):
    page = drawn(opened())
    figure = page.locator('#figure-images')
    figure.get_by_label('Show').select_option(label='Dice per image, %')
    until(page, 'document.querySelector("#figure-images svg").textContent.includes("Dice per image, %")')


def test_without_javascript_the_table_and_all_numbers_are_there(opened):
    page = opened(java_script_enabled=False)
    assert len(names(page)) == 3 and not page.locator('#table-controls').is_visible()
    assert page.locator('#figure-steps noscript').is_visible()
    page.locator('#figure-steps summary').click()
    assert page.locator('#figure-steps tbody tr').first.is_visible()


def test_on_paper_tables_are_whole_and_controls_are_gone(opened):
    page = drawn(opened(color_scheme='dark'))
    page.emulate_media(media='print')
    assert not page.locator('#table-controls').is_visible() and not page.locator('nav').is_visible()
    assert page.evaluate('getComputedStyle(document.body).backgroundColor') == 'rgb(255, 255, 255)'
