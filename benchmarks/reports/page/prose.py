"""Markdown of the report as HTML: everything that users wrote is escaped, and links lead to the report's own tables."""

import re

from markdown_it import MarkdownIt
from markupsafe import Markup

_OWN_FILE = re.compile(r'[a-z_]+\.csv')


def to_html(markdown: str) -> Markup:
    """The HTML of a text of the report.

    Args:
        markdown: Markdown with tables. HTML in it is shown as text; images are left out, and so are links to other
            places than the tables beside the page.

    Example:
        >>> str(to_html('**a** <b> [t](table.csv) [x](http://x.org)')).strip()
        '<p><strong>a</strong> &lt;b&gt; <a href="table.csv">t</a> [x](http://x.org)</p>'
    """
    parser = MarkdownIt('commonmark', dict(html=False)).enable('table').disable(['image', 'autolink'])
    parser.validateLink = lambda url: bool(_OWN_FILE.fullmatch(url))  # type: ignore[method-assign]
    html = parser.render(markdown)
    # A wide table scrolls by itself, so that a phone does not scroll the page; a keyboard reaches it.
    html = html.replace('<table>', '<div class="scroll" tabindex="0"><table>').replace('</table>', '</table></div>')
    return Markup(html)


def sections(markdown: str) -> dict[str, str]:
    """The text below each heading of the second level, by the heading; that before the first one under ``''``.

    Example:
        >>> sections('# T\\n\\nlead\\n\\n## A\\n\\na')
        {'': 'lead', 'A': 'a'}
    """
    lead, *parts = re.split(r'^## ', markdown, flags=re.MULTILINE)
    lead = '\n\n'.join(block for block in lead.split('\n\n') if not block.startswith(('# ', '|', '![')))
    found = {'': lead.strip()}
    for part in parts:
        heading, _, text = part.partition('\n')
        found[heading.strip()] = text.strip()
    return found
