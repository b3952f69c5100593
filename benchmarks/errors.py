"""The exception for mistakes that a user can mend, and phrases for messages: close matches, the first of many items."""

import difflib
from collections.abc import Iterable, Sequence


class BadInput(Exception):
    """The input cannot be run; the message names the culprit and the cure. The command line prints it and exits 2."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A clause such as ``; did you mean 'gamma'? (known: alpha, gamma)`` to end an error message with."""
    known = sorted(set(known))
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    hint = '; did you mean ' + ' or '.join(repr(match) for match in close) + '?' if close else ''
    shown = ', '.join(known[:30]) + (', …' if len(known) > 30 else '')
    return f'{hint} (known: {shown or "none"})'


def some_of(items: Sequence[str], shown: int) -> str:
    """The first ``shown`` items and how many more there are: ``a, b and 3 more``."""
    rest = len(items) - shown
    return ', '.join(items[:shown]) + (f' and {rest} more' if rest > 0 else '')
