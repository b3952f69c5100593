"""The page is one file that asks for nothing, says what the records say, and stays small."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from benchmarks import record
from benchmarks.reports.answers import Answers, answers
from benchmarks.reports.class_table import class_table
from benchmarks.reports.markdown import report_markdown
from benchmarks.reports.page import page as page_module
from benchmarks.reports.page.embed import content_hash
from benchmarks.reports.page.page import report_page
from benchmarks.reports.page.panels import MOST_BYTES_BESIDE_MANY
from benchmarks.reports.results import read_results
from benchmarks.reports.summary import summary
from benchmarks.reports.table import comparison_table, stack_table

VOID = {'meta', 'link', 'input', 'br', 'hr'}
HOSTILE = (
    '"><script>alert(1)</script><img src=x onerror=alert(2)><!-- </title></style>\' {{ 7*7 }} *b* [a](javascript:x)'
)


class Page(HTMLParser):
    """What a browser finds in a page: its elements, the content of scripts, and the texts."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.scripts, self.texts, self.closed = [], [], [], [], True
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        self.closed &= bool(self.open) and self.open.pop() == tag

    def handle_data(self, data):
        within = self.open[-1] if self.open else ''
        if within == 'script':
            self.scripts.append((self.tags[-1][1].get('type'), data))
        elif within != 'style':
            self.texts.append(data)

    @property
    def text(self):
        return ' '.join(' '.join(self.texts).split())

    def having(self, **attributes):
        return [found for _, found in self.tags if attributes.items() <= found.items()]


def tables_of(out):
    """All that a page is made of, from the records of a folder."""
    results = read_results(out)
    stacks, comparisons, classes = stack_table(results), comparison_table(results), class_table(results)
    found = answers(results, stacks, comparisons)
    in_brief = summary(results, stacks, comparisons)
    text = report_markdown(results, stacks, comparisons, classes, found.text, in_brief, has_figure=False)
    return results, stacks, comparisons, classes, found, in_brief, text


def page_of(out):
    return Page(report_page(out, *tables_of(out)))


def changed(out, **fields):
    record.write_grid(out, record.read_grid_json(out) | fields)
    return out


@pytest.fixture(scope='module')
def html(synthetic_out):
    return report_page(synthetic_out, *tables_of(synthetic_out))


@pytest.fixture(scope='module')
def page(html):
    return Page(html)


def test_elements_are_closed_and_ids_are_used_once(page):
    assert page.closed and not page.open
    ids = [found['id'] for _, found in page.tags if 'id' in found]
    assert len(ids) == len(set(ids))
    assert {found['href'] for tag, found in page.tags if tag == 'a' and found['href'].startswith('#')} <= {
        f'#{one}' for one in ids
    }


def test_the_page_asks_for_nothing(page):
    """Its policy forbids every request, and allows the scripts and the style that it holds by their digests alone."""
    assert not [found for _, found in page.tags if 'src' in found]
    links = [found['href'] for _, found in page.tags if 'href' in found]
    assert not [link for link in links if re.match(r'[a-z]+:|//', link) and link != 'data:,']
    (policy,) = page.having(**{'http-equiv': 'Content-Security-Policy'})
    rules = dict(rule.strip().split(' ', 1) for rule in policy['content'].split(';'))
    assert rules['default-src'] == "'none'" and 'unsafe' not in policy['content']
    run = [content for kind, content in page.scripts if kind is None]
    assert rules['script-src'].split() == [content_hash(content) for content in run]
    assert len(run) == 2 and 'vegaEmbed' in run[0]


def test_two_renderings_are_equal_to_the_byte(html, synthetic_out):
    assert report_page(synthetic_out, *tables_of(synthetic_out)) == html


def test_the_answer_names_what_helps_what_it_costs_and_what_is_open(page):
    assert page.text.count('What helps 1 of 2 compared rows shows a gain of Dice: “+ loss”') == 1
    assert page.text.count('1 of 2 compared rows shows a gain of Dice: “+ loss”') == 1  # README.md begins with it, too
    assert 'Within twice the latency of “baseline” (20.4 ms), no row is shown to gain over it' in page.text
    assert '1 of 9 cells failed.' in page.text


def test_the_answer_ends_with_the_command_that_gives_the_seeds(synthetic_out):
    results, stacks, comparisons, classes, found, _, text = tables_of(synthetic_out)
    assert 'attention' in set(comparisons['stack'])
    near = comparisons.assign(verdict='undecided', family='primary', limited_by='seeds', seeds_to_decide=7)
    in_brief = summary(results, stacks, near)
    html = report_page(synthetic_out, results, stacks, near, classes, found, in_brief, text)
    assert re.search(
        r'it has \d seeds\. This command adds .* this look: <code>.* --until-decided --seeds 10</code></dd>', html
    )


def test_the_table_has_each_row_and_metric_and_reads_without_a_script(page):
    heads = [found for tag, found in page.tags if tag == 'th' and 'data-kind' in found]
    shown = [found['data-kind'] for found in heads if 'hidden' not in found]
    assert {'score', 'Δ previous row', 'Δ baseline', 'latency, × baseline', 'latency p50, ms'} <= set(shown)
    assert shown[:3] == ['Δ previous row', 'Δ baseline', 'latency, × baseline']  # seen on a narrow screen, too
    assert {found['data-metric'] for found in heads} == {'', 'dice', 'mdice', 'miou', 'boundary_iou'}
    assert all('hidden' in found for found in heads if found['data-metric'] not in ('', 'dice'))
    assert all(f'#row-{number}' in str(page.tags) for number in (1, 2, 3))


def test_each_figure_has_its_numbers_in_a_table_and_a_text_for_those_who_cannot_see_it(page):
    specs = [json.loads(content) for kind, content in page.scripts if kind == 'application/json']
    names = [one['name'] for one in specs]
    assert names == ['accuracy-cost', 'steps', 'strata', 'classes', 'images', 'latency']
    plots = page.having(**{'class': 'plot'})
    assert len(plots) == len(names) and all(plot['role'] == 'img' and plot['aria-label'] for plot in plots)
    assert len(page.having(**{'class': 'numbers'})) == len(names)


def test_a_row_tells_where_it_comes_from(synthetic_writer, tmp_path):
    out = synthetic_writer(tmp_path)
    (out / 'configs').mkdir()
    (out / 'configs' / 'baseline__seed0.py').write_text("model = {'type': 'A', 'depth': 3}\n")
    (out / 'configs' / 'attention__seed0.py').write_text("model = {'type': 'A', 'depth': 4}\n")
    text = page_of(out).text
    assert 'Config of the first seed, against “baseline”' in text and 'model.depth 3 4' in text
    assert 'train tattention predict pattention' in text
    assert 'out_of_memory: train: needs 99 GiB, has 16' in text
    assert 'The configs of this row and of “+ attention” do not lie beside the records' in text


def test_nothing_that_a_user_wrote_becomes_an_element(synthetic_writer, tmp_path):
    out = synthetic_writer(tmp_path)
    usual = {tag for tag, _ in page_of(out).tags}
    grid = record.read_grid_json(out)
    rows = [row | dict(label=f'{row["label"]} {HOSTILE}') for row in grid['rows']]
    card = dict(classes=[dict(name=HOSTILE, pixels=1, images=1)], values={'0': 1})
    dataset = grid['dataset'] | dict(name=HOSTILE, cards=dict(train=card, test=card))
    words = dict(title=HOSTILE, command=HOSTILE, notes=[HOSTILE], lints=[HOSTILE], classes=['a', 'b', HOSTILE])
    changed(out, rows=rows, dataset=dataset, environment={HOSTILE: HOSTILE}, **words)
    html = report_page(out, *tables_of(out))
    page = Page(html)
    assert {tag for tag, _ in page.tags} - usual <= {'em'}  # by the asterisks: Markdown in a name stays Markdown
    assert page.closed and not page.open
    assert not [name for _, found in page.tags for name in found if name.startswith('on')]
    assert not [found for _, found in page.tags if 'javascript' in found.get('href', '')]
    assert len([kind for kind, _ in page.scripts if kind is None]) == 2
    assert HOSTILE in page.text and '49' not in page.text.split('{{ 7*7 }}')[0][-50:]


def test_a_record_that_names_a_file_elsewhere_does_not_open_it(synthetic_writer, tmp_path):
    out = synthetic_writer(tmp_path / 'out')
    (out / 'configs').mkdir()
    (out / 'configs' / 'baseline__seed0.py').write_text('depth = 3\n')
    (tmp_path / 'secret.py').write_text("token = 'of another folder'\n")
    cell = json.loads((out / 'records' / 'attention__seed0.json').read_text())
    record.write_record(out, cell | dict(config='../secret.py'))
    assert 'of another folder' not in page_of(out).text


@pytest.mark.parametrize('missing', ['cells', 'profiles', 'seeds', 'records'])
def test_records_without_some_facts_have_a_page(missing, synthetic_writer, tmp_path, synthetic_facts):
    if missing == 'records':
        record.write_grid(tmp_path, synthetic_facts['grid'])
    elif missing == 'cells':
        cells = [f'{stack}__seed{seed}' for stack in ('baseline', 'attention', 'attention+loss') for seed in range(3)]
        synthetic_writer(tmp_path, failed=cells)
    else:
        synthetic_writer(tmp_path, seeds=(0,) if missing == 'seeds' else (0, 1, 2))
    if missing == 'profiles':
        for path in (tmp_path / 'records').glob('*__profile.json'):
            path.unlink()
    said = dict(
        cells='9 of 9 cells failed.',
        profiles='The latency of the baseline was not measured',
        seeds='With one seed only these checkpoints are judged, not the techniques.',
        records='9 of 9 cells have not finished.',
    )
    page = page_of(tmp_path)
    assert page.closed and said[missing] in page.text


def test_without_the_library_of_the_figures_their_numbers_are_there(monkeypatch, synthetic_out):
    monkeypatch.setattr(page_module, 'vega_library', lambda: None)
    page = page_of(synthetic_out)
    assert 'vl-convert-python, which has what draws it, is not installed or fails' in page.text
    assert len(page.scripts) == 1 and len(page.having(**{'class': 'numbers'})) == 6


def test_the_course_of_trainings_is_drawn_where_records_have_it(synthetic_writer, tmp_path):
    out = synthetic_writer(tmp_path)
    for path in (out / 'records').glob('*__seed?.json'):
        cell = json.loads(path.read_text())
        if cell['train']:
            cell['train']['loss_by_tenth'] = [1 / tenth for tenth in range(1, 11)]
            record.write_record(out, cell)
    page = report_page(out, *tables_of(out))
    assert '"name":"learning"' in page and 'Line of the mean loss in each tenth' in page  # of rates nothing is known
    for path in (out / 'records').glob('*__seed?.json'):
        cell = json.loads(path.read_text())
        if cell['train']:
            cell['train']['lr_by_tenth'] = [0.3 / tenth for tenth in range(1, 11)]
            record.write_record(out, cell)
    page = report_page(out, *tables_of(out))
    assert 'Line of the mean loss or the learning rate in each tenth' in page and "datum.of === 'learning rate'" in page


def repeated(table, times, *names):
    """A table many times over, with the number of the copy after each value of the named columns."""
    copies = pd.Series(np.repeat(np.arange(times), len(table)).astype(str))
    many = pd.concat([table] * times, ignore_index=True)
    return many.assign(**{name: many[name] + '_' + copies for name in names})


def test_ten_thousand_cells_make_a_page_of_bounded_size(synthetic_out):
    """3,333 rows of three seeds; what does not fit is counted, and lies in the tables beside the page."""
    times = 1111
    results, stacks, comparisons, classes, found, in_brief, text = tables_of(synthetic_out)
    rows = [
        row | dict(stack=f'{row["stack"]}_{copy}', label=f'{row["label"]} {copy}')
        for copy in range(times)
        for row in results.grid['rows']
    ]
    cells = {
        record.cell_name(f'{old["stack"]}_{copy}', old['seed']): old
        for copy in range(times)
        for old in results.records.values()
    }
    counts = {
        name.replace('__seed', f'_{copy}__seed'): cell
        for copy in range(times)
        for name, cell in results.counts.cells.items()
    }
    parts = dict(load=[1] * 10, views={f'view {number}': [2] * 10 for number in range(8)}, refine={})
    profiles = {
        f'{stack}_{copy}': old | dict(parts_ms=parts)
        for copy in range(times)
        for stack, old in results.profiles.items()
    }
    big = results._replace(
        grid=results.grid | dict(rows=rows),
        records=cells,
        counts=results.counts._replace(cells=counts),
        profiles=profiles,
    )
    both = [repeated(table, times, 'stack', *more) for table, *more in ((stacks, 'label'), (comparisons, 'reference'))]
    tables = {name: repeated(found.tables[name], times, 'stack') for name in ('speed.csv', 'strata.csv')}
    content = report_page(
        synthetic_out, big, *both, repeated(classes, times, 'stack'), Answers(found.text, tables), in_brief, text
    )
    assert len(cells) == 9999 and len(content.encode()) < 5e6 - MOST_BYTES_BESIDE_MANY  # of panels
    assert '2333 more rows are in' in content
