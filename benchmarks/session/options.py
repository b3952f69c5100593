"""``--cfg-options KEY=VALUE …``: from words to values.

Values have the meaning that mmengine's ``DictAction`` gives them, except that text arrives as it was typed:
``DictAction`` removes all spaces, and quotes from the ends alone.

=====================  ===================================
value                  meaning
=====================  ===================================
``3``, ``1e-3``        a number
``true``, ``None``     a boolean (in any case), None
``[a,1]``, ``(a,1)``   a list, a tuple; they may be nested
``a,1``                a list
``'a, (b'``            text, whatever is in it
anything else          text
=====================  ===================================
"""

from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks.errors import Mistakes

OPENED_BY = {')': '(', ']': '['}
QUOTES = ('"', "'")


def parse_options(pairs: Iterable[str]) -> dict[str, Any]:
    """The values of ``KEY=VALUE`` words by key; of a key that is given twice, the last one counts.

    Raises:
        BadInput: Words have no key or no ``=``, or values have brackets that do not match; names all of them.
    """
    options, mistakes = {}, Mistakes()
    for pair in pairs:
        key, equals, value = pair.partition('=')
        if not key or not equals:
            mistakes.all.append(
                f"--cfg-options {pair}: write KEY=VALUE; put a value with spaces into quotes (KEY='my value')"
            )
            continue
        try:
            options[key] = _value(value)
        except _UnmatchedBracket as error:
            mistakes.all.append(
                f"--cfg-options {key}: '{error}' in the value {value} has no partner; "
                f'for a text put quotes inside quotes: {key}="\'{value}\'"'
            )
    mistakes.refuse()
    return options


class _UnmatchedBracket(Exception):
    """A bracket without its partner; the message is the bracket."""


def _value(text: str) -> Any:
    if _is_quoted(text):
        return text[1:-1]
    stripped = text.strip()
    if _is_quoted(stripped):
        return stripped[1:-1]
    if stripped[:1] in OPENED_BY.values():
        items = list(_items(stripped))
        if len(items) == 1 and OPENED_BY.get(stripped[-1]) == stripped[0]:
            inside = [_value(item.strip()) for item in _items(stripped[1:-1])]
            return tuple(inside) if stripped[0] == '(' else inside
    if ',' in text:
        items = list(_items(text))
        if len(items) > 1 or text.rstrip().endswith(','):
            return [_value(item.strip()) for item in items]
    return _plain(text)


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] in QUOTES and text.find(text[0], 1) == len(text) - 1


def _items(text: str) -> Iterator[str]:
    """The parts between the commas outside brackets and quotes; none after a comma at the end.

    A quote opens where an item begins, and closes before a comma, a closing bracket or the end. So the apostrophe in
    ``bob's data`` is a character as any other.
    """
    opened: list[str] = []
    start, quote, begins = 0, '', True
    for place, sign in enumerate(text):
        if quote:
            if sign == quote and text[place + 1 :].lstrip()[:1] in ('', ',', *OPENED_BY):
                quote = ''
            continue
        if sign in QUOTES and begins and sign in text[place + 1 :]:
            quote = sign
        elif sign in OPENED_BY.values():
            opened.append(sign)
        elif sign in OPENED_BY:
            if not opened or opened.pop() != OPENED_BY[sign]:
                raise _UnmatchedBracket(sign)
        elif sign == ',' and not opened:
            yield text[start:place]
            start = place + 1
        begins = sign in (',', *OPENED_BY.values()) or (begins and sign.isspace())
    if opened:
        raise _UnmatchedBracket(opened[-1])
    if start < len(text):
        yield text[start:]


def _plain(text: str) -> Any:
    """A number, a boolean, None, or the text itself, as mmengine reads them."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if text == 'None':
        return None
    return {'true': True, 'false': False}.get(text.lower(), text)
