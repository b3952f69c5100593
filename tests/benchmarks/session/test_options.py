import argparse

import pytest
from mmengine.config import DictAction

from benchmarks.errors import BadInput
from benchmarks.session.options import parse_options


def value(text):
    return parse_options([f'key={text}'])['key']


def as_mmengine_reads_it(text):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    return parser.parse_args(['--cfg-options', f'key={text}']).cfg_options['key']


@pytest.mark.parametrize(
    'text',
    ['3', '-1', '1e-3', '.5', 'nan', 'true', 'False', 'None', 'none', '', 'a', 'a=b', 'a,1', '1,', '[]', '()', '[a]',
     '(1,)', '[1,2.5,None]', '[(1,2),[a,b],c]', '[[(1,2)],(a,[b])]', '(a,(1,2)),3',
     'a.b/c-d', '/x/(1)/y', '[a,,b]', ',']
)  # fmt: skip
def test_a_value_without_spaces_and_quotes_means_what_it_means_to_mmengine(text):
    expected = as_mmengine_reads_it(text)
    assert repr(value(text)) == repr(expected)


@pytest.mark.parametrize(
    'text, expected',
    [
        ('/x/my data', '/x/my data'),
        ("/x/bob's data", "/x/bob's data"),
        ('/x/a=b', '/x/a=b'),
        (' /x/y ', ' /x/y '),
        ('"1"', '1'),
        ("'1, 2'", '1, 2'),
        ("'[a, (b'", '[a, (b'),
        ('["a, b", c d]', ['a, b', 'c d']),
        ("[it's, 'a, b']", ["it's", 'a, b']),
        ("('x y',[1, '2'])", ('x y', [1, '2'])),
        ('a b, 2', ['a b', 2]),
        ('(1,2),(3,4)', [(1, 2), (3, 4)]),
        ('/x/data (1', '/x/data (1'),
        ("'", "'"),
    ],
)
def test_text_arrives_as_it_was_typed(text, expected):
    assert value(text) == expected


@pytest.mark.parametrize(
    'pair, message',
    [
        ('lr', r'--cfg-options lr: write KEY=VALUE'),
        ('=1', r'--cfg-options =1: write KEY=VALUE'),
        ('key=[1,2', r"--cfg-options key: '\[' in the value \[1,2 has no partner; for a text .*key=\"'\[1,2'\""),
        ('key=[1,2)', r"--cfg-options key: '\)' in the value"),
    ],
)
def test_what_is_no_option_is_refused_with_the_cure(pair, message):
    with pytest.raises(BadInput, match=message):
        parse_options([pair])


def test_all_words_that_are_none_are_told_at_once():
    with pytest.raises(BadInput) as refused:
        parse_options(['a', 'b=1', '=c', 'd=[1', 'e=(2]'])
    assert len(refused.value.args) == 4
