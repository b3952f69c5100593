r"""The improvement table for a paper: ``table.tex``, a ``tabular`` with booktabs, in ASCII.

``\usepackage{booktabs}`` and ``\input{table}`` show it, with any TeX engine and any encoding of the fonts.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence

import pandas as pd

from benchmarks.analysis.metrics import DICE, Metric
from benchmarks.reports.improvement_table import ROW, improvement_rows
from benchmarks.reports.phrases import one_line

# What means something to TeX, or what its fonts draw as another character.
_SPECIAL = {
    '\\': r'\textbackslash{}',
    '~': r'\textasciitilde{}',
    '^': r'\textasciicircum{}',
    '<': '$<$',
    '>': '$>$',
    '|': '$|$',
    '`': r'\char96{}',
    '"': r"{''}",
    '\u200b': '{}',  # between two hyphens
    **{character: f'\\{character}' for character in '{}$&#_%'},
}
_TYPOGRAPHY = {
    '−': '$-$',
    '–': '--',
    '—': '---',
    '°': r'$^\circ$',
    '×': r'$\times$',
    '±': r'$\pm$',
    '≤': r'$\leq$',
    '≥': r'$\geq$',
    '→': r'$\rightarrow$',
    '·': r'$\cdot$',
    '…': r'\dots{}',
    '“': '``',
    '”': "''",
    '‘': '`',
    '’': "'",
    'µ': r'$\mu$',
    'ß': r'\ss{}',
    'ø': r'\o{}',
    'Ø': r'\O{}',
    'æ': r'\ae{}',
    'Æ': r'\AE{}',
    'ł': r'\l{}',
    'Ł': r'\L{}',
    'ı': r'\i{}',
}
_ACCENTS = {
    '\u0300': '`',
    '\u0301': "'",
    '\u0302': '^',
    '\u0303': '~',
    '\u0304': '=',
    '\u0306': 'u ',
    '\u0307': '.',
    '\u0308': '"',
    '\u030a': 'r ',
    '\u030b': 'H ',
    '\u030c': 'v ',
    '\u0327': 'c ',
    '\u0328': 'k ',
}
_GREEK = re.compile('GREEK (SMALL|CAPITAL) LETTER ([A-Z]+)$')
_AS_LATIN = dict(ALPHA='A', BETA='B', EPSILON='E', ZETA='Z', ETA='H', IOTA='I', KAPPA='K', MU='M', NU='N') | dict(
    OMICRON='O', RHO='P', TAU='T', CHI='X'
)
_GREEK_NAMES = dict(LAMDA='LAMBDA')  # as Unicode spells it
_BOLD = re.compile(r'\*\*(.*?)\*\*')
_TWO_HYPHENS = re.compile('(?<=-)(?=-)')


def escaped(text: str) -> str:
    r"""A text as TeX prints it, in ASCII.

    Letters with the usual accents and Greek letters stay; any other character becomes its number, such as ``[U+4E2D]``.

    Example:
        >>> print(escaped('50 % & loss_decode'))
        50 \% \& loss\_decode
        >>> print(escaped('Größe γ'))
        Gr\"{o}\ss{}e $\gamma$
    """
    text = one_line(unicodedata.normalize('NFC', text))
    return ''.join(map(_escaped, _TWO_HYPHENS.sub('\u200b', text)))


def latex_table(stacks: pd.DataFrame, dice: pd.DataFrame, metric: Metric = DICE) -> str:
    """The improvement table as a ``tabular``; the arguments are those of :func:`improvement_table`."""
    shown, rows = improvement_rows(stacks, dice, metric)
    lines = [
        r'% needs \usepackage{booktabs}',
        rf'\begin{{tabular}}{{{"l" * len(shown)}}}',
        r'\toprule',
        _line([escaped(name) for name in shown]),
        r'\midrule',
        *(_line(_cells(row, shown)) for row in rows),
        r'\bottomrule',
        r'\end{tabular}',
    ]
    return '\n'.join(lines) + '\n'


def _cells(row: Mapping[str, str], shown: Sequence[str]) -> list[str]:
    """The cells of a row; stars around a word of the table's own make it bold, those in a user's name do not."""
    return [escaped(row[name]) if name == ROW else _with_bold(row[name]) for name in shown]


def _with_bold(text: str) -> str:
    parts = [''.join(map(_escaped, part)) for part in _BOLD.split(text)]  # spaces at their ends stay
    return ''.join(rf'\textbf{{{part}}}' if place % 2 else part for place, part in enumerate(parts))


def _line(cells: Sequence[str]) -> str:
    # At the beginning of a line these two would be arguments of the end of the line before.
    guard = '{}' if cells[0].startswith(('[', '*')) else ''
    return guard + ' & '.join(cells) + r' \\'


def _escaped(character: str) -> str:
    known = _SPECIAL.get(character) or _TYPOGRAPHY.get(character) or _greek(character)
    if known:
        return known
    if ' ' <= character <= '~':
        return character
    parts = unicodedata.normalize('NFKD', character)
    if parts.isascii() and parts.isprintable():  # a superscript, a wide letter
        return ''.join(map(_escaped, parts))
    if len(parts) == 2 and parts[0].isascii() and parts[1] in _ACCENTS:
        letter = {'i': r'\i', 'j': r'\j'}.get(parts[0], parts[0]) if parts[1] not in '\u0327\u0328' else parts[0]
        return f'\\{_ACCENTS[parts[1]]}{{{letter}}}'
    return f'[U+{ord(character):04X}]'


def _greek(character: str) -> str:
    """A Greek letter as TeX has it; empty for any other character."""
    match = _GREEK.match(unicodedata.name(character, ''))
    if not match:
        return ''
    capital, name = match[1] == 'CAPITAL', _GREEK_NAMES.get(match[2], match[2])
    if name == 'OMICRON' or capital and name in _AS_LATIN:
        return _AS_LATIN[name] if capital else 'o'
    known = (*_AS_LATIN, 'GAMMA', 'DELTA', 'THETA', 'LAMBDA', 'XI', 'PI', 'SIGMA', 'UPSILON', 'PHI', 'PSI', 'OMEGA')
    return f'$\\{name.capitalize() if capital else name.lower()}$' if name in known else ''
