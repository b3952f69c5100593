"""Every value of a dumped config by its path, and those that differ between two."""

from benchmarks.reports.compare.config_changes import Change, changes, config_values


def test_values_by_path(tmp_path):
    (tmp_path / 'a.py').write_text("a = {'b': [{'c': 1}, 'x'], 'd': (1, 2), 'e': {}}\nf = inf\ng = [[1], [2, 3]]\n")
    assert config_values(tmp_path / 'a.py') == {
        'a.b.0.c': '1',
        'a.b.1': "'x'",
        'a.d': '(1, 2)',
        'a.e': '{}',
        'f': 'inf',
        'g.0': '[1]',
        'g.1': '[2, 3]',
    }


def test_what_is_no_config_has_no_values(tmp_path):
    (tmp_path / 'a.py').write_text('a = (')
    assert config_values(tmp_path / 'a.py') == config_values(tmp_path / 'missing.py') == {}


def test_values_that_differ_appear_or_vanish():
    assert changes(dict(a='1', b='2', c='3'), dict(a='1', b='0', d='4')) == [
        Change('b', '2', '0'),
        Change('c', '3', None),
        Change('d', None, '4'),
    ]
