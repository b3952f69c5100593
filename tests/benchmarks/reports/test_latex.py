r"""``table.tex``: what a user calls a row is printed, and never run; a TeX engine reads it."""

import re
import shutil
import subprocess

import pytest
from needed_programs import missing

from benchmarks.record import read_grid_json, write_grid
from benchmarks.reports.latex import escaped
from benchmarks.reports.report import make_report

NAME = r'[3] \input{/etc/passwd} 50 % & $x_1^2$ #~{}<script>|"`--seeds` ‘α ∑ 中 Größe ñ İ ï ½'
COMMAND = re.compile(r'\\(?:[A-Za-z]+|.)')
# Every command that the table may hold, with the number of its arguments.
KNOWN = {
    **dict.fromkeys(('textbackslash', 'textasciitilde', 'textasciicircum', 'char', 'ss', 'dots', 'i', 'alpha'), 0),
    **dict.fromkeys(('Delta', 'circ', 'sigma', 'rightarrow', 'toprule', 'midrule', 'bottomrule', 'leq', 'pm'), 0),
    **dict.fromkeys(('{', '}', '$', '&', '#', '_', '%', '\\'), 0),
    **dict.fromkeys(('textbf', 'begin', 'end', '"', "'", '^', '`', '~', '.'), 1),
}


@pytest.fixture
def table(tmp_path, synthetic_writer):
    """The LaTeX table of the synthetic grid, whose rows have a name that means much to TeX."""
    out = synthetic_writer(tmp_path)
    grid = read_grid_json(out)
    for row in grid['rows'][1:]:
        row['label'] = NAME
    write_grid(out, grid)
    return make_report(out).with_name('table.tex')


@pytest.mark.parametrize(
    ('text', 'as_tex'),
    [
        ('50 % & x_1', r'50 \% \& x\_1'),
        (r'\input{x}', r'\textbackslash{}input\{x\}'),
        ('$a$ #1 ~ ^', r'\$a\$ \#1 \textasciitilde{} \textasciicircum{}'),
        ('a < b > c | d', 'a $<$ b $>$ c $|$ d'),
        ('--seeds a-b ---', '-{}-seeds a-b -{}-{}-'),
        ('−0.4 [−1, 0]° – × Δ', r'$-$0.4 [$-$1, 0]$^\circ$ -- $\times$ $\Delta$'),
        ('é ü ñ č ç Å ï ß', r'\'{e} \"{u} \~{n} \v {c} \c {c} \r {A} \"{\i} \ss{}'),
        ('e\u0301', r'\'{e}'),  # two characters that Unicode has as one
        ('λ Σ ο Α ϑ', r'$\lambda$ $\Sigma$ o A [U+03D1]'),
        ('中 x² \x07', '[U+4E2D] x2 [U+0007]'),
        ('two\nlines', 'two lines'),
    ],
)
def test_texts_are_escaped(text, as_tex):
    assert escaped(text) == as_tex


def test_stars_of_a_name_stay_and_verdicts_are_bold(table):
    text = table.read_text(encoding='ascii')
    assert r'\textbf{gain}' in text and '**' not in text and escaped('**a**') == '**a**'


def test_the_table_is_ascii_of_known_commands_balanced_and_rectangular(table):
    """A small parser; the test below asks an engine, where there is one."""
    text = table.read_text(encoding='ascii')
    comment, *lines = text.splitlines()
    assert comment == r'% needs \usepackage{booktabs}' and lines[0].startswith(r'\begin{tabular}{l')
    width = lines[0].count('l', len(r'\begin{tabular}'))
    rows = [line for line in lines if line.endswith(r' \\')]
    assert len(rows) == 4 and len(lines) == 9
    for row in rows:
        assert len(re.findall(r'(?<!\\)&', row)) == width - 1
        assert not row.startswith(('[', '*'))
        assert len(re.findall(r'(?<!\\)\$', row)) % 2 == 0
    commands = {command[1:] for command in COMMAND.findall(' '.join(lines))}
    assert commands <= KNOWN.keys(), commands - KNOWN.keys()
    plain = re.sub(r'\\[{}\\]', '', text)
    assert plain.count('{') == plain.count('}') and not re.search(r'(?<!\\)[#_^~](?!\\circ)(?!\{)', plain)


@pytest.mark.parametrize('ci, outcome', [('1', pytest.fail.Exception), ('', pytest.skip.Exception)])
def test_what_needs_a_program_fails_in_ci_and_is_skipped_elsewhere_with_the_cure(monkeypatch, ci, outcome):
    monkeypatch.setenv('CI', ci)
    with pytest.raises(outcome, match='there is no tex: apt-get install tex'):
        missing('there is no tex: apt-get install tex')


@pytest.mark.slow
def test_an_engine_compiles_it(table, tmp_path):
    engine = shutil.which('pdflatex')
    if engine is None:
        missing('there is no pdflatex: apt-get install texlive-latex-base texlive-latex-recommended')
    for fonts in ('', r'\usepackage[T1]{fontenc}'):
        (tmp_path / 'paper.tex').write_text(
            rf'\documentclass{{article}}{fonts}\usepackage{{booktabs}}\begin{{document}}\input{{{table}}}\end{{document}}'
        )
        command = [engine, '-interaction=nonstopmode', '-halt-on-error', 'paper.tex']
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout
        assert (tmp_path / 'paper.pdf').stat().st_size > 5000
        assert 'Missing character' not in (tmp_path / 'paper.log').read_text(errors='replace')
