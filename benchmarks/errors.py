"""The exceptions for mistakes that a user can mend and for signals; phrases for messages, such as close matches."""

import difflib
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

LONGEST_LINE = 100  # of a list of names; a longer one is wrapped


class BadInput(Exception):
    """The input cannot be run; the message names the culprit and the cure. The command line prints it and exits 2.

    Args:
        mistakes: One message for each mistake.
    """

    def __init__(self, *mistakes: str) -> None:
        super().__init__(*dict.fromkeys(mistakes))  # `args`, so that a copy from another process has them, too

    def __str__(self) -> str:
        if len(self.args) < 2:
            return ''.join(self.args)
        return '\n'.join([f'{len(self.args)} mistakes:', *(f'- {mistake}' for mistake in self.args)])


class Stopped(KeyboardInterrupt):
    """A signal other than Ctrl-C asks the program to stop, such as SIGTERM from a scheduler.

    It is a kind of Ctrl-C: what finishes in order after the one does so after the other.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Mistakes:
    """Collects the mistakes of several parts of the input, so that all of them are told at once.

    Example:
        >>> mistakes = Mistakes()
        >>> for number in (3, -1, -2):
        ...     with mistakes.noted():
        ...         if number < 0:
        ...             raise BadInput(f'{number} is negative')
        >>> mistakes.all
        ['-1 is negative', '-2 is negative']
    """

    def __init__(self) -> None:
        self.all: list[str] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note a mistake that the block refuses; the block ends there, and what comes after it goes on."""
        try:
            yield
        except BadInput as error:
            self.all += error.args

    def refuse(self) -> None:
        """Refuse all noted mistakes together; nothing happens if there is none.

        Raises:
            BadInput: There is a mistake.
        """
        if self.all:
            raise BadInput(*self.all)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A clause such as ``; did you mean 'gamma'? (known: alpha, gamma)`` to end an error message with."""
    known = sorted(set(known))
    return _closest(name, known) + known_names(known)


def unknown_names(names: Sequence[str], known: Iterable[str]) -> str:
    """As :func:`did_you_mean` for several names: the close matches of each, and the known names once."""
    known = sorted(set(known))
    hints = [(name, _closest(name, known).removeprefix('; ')) for name in names]
    return ', '.join(f"'{name}' ({hint})" if hint else f"'{name}'" for name, hint in hints) + known_names(known)


def _closest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    return '; did you mean ' + ' or '.join(repr(match) for match in close) + '?' if close else ''


def known_names(known: Sequence[str]) -> str:
    """All names in brackets, for the end of a message; a long list is wrapped."""
    listed = f'(known: {", ".join(known) or "none"})'
    if len(listed) <= LONGEST_LINE:
        return f' {listed}'
    lines = textwrap.wrap(listed, LONGEST_LINE, break_long_words=False, break_on_hyphens=False)
    return ''.join(f'\n  {line}' for line in lines)


def some_of(items: Sequence[str], shown: int) -> str:
    """The first ``shown`` items and how many more there are: ``a, b and 3 more``."""
    rest = len(items) - shown
    return ', '.join(items[:shown]) + (f' and {rest} more' if rest > 0 else '')
