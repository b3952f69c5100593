import pytest

from benchmarks.reports.page.prose import sections, to_html


@pytest.mark.parametrize('text', ['<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '<!-- x', '</p></main>'])
def test_html_in_a_text_is_shown_not_run(text):
    html = to_html(f'a row “{text}”')
    assert '<script' not in html and '<img' not in html and '<!--' not in html and '</main' not in html
    assert text.replace('<', '&lt;').replace('>', '&gt;').replace('"', '&quot;') in html


def test_images_are_left_out_and_links_lead_to_own_tables_only():
    html = to_html('![x](http://a.org/x.png) [a](http://a.org) <http://b.org> [b](javascript:alert(1)) [t](table.csv)')
    assert '<img' not in html and html.count('href') == 1 and 'href="table.csv"' in html


def test_a_table_scrolls_by_itself_and_a_keyboard_reaches_it():
    assert '<div class="scroll" tabindex="0"><table>' in to_html('| a |\n|---|\n| b |')


def test_sections_by_heading_without_title_table_and_image():
    text = '# T\n\nlead\n\n| a |\n|---|\n\n![f](f.png)\n\nmore\n\n## A\n\na\n\n### B\n\nb\n\n## C\n\nc\n'
    assert sections(text) == {'': 'lead\n\nmore', 'A': 'a\n\n### B\n\nb', 'C': 'c'}
