"""Settings of a launcher, each with a known key: ``KEY=VALUE`` words of the command line, or texts of a grid's file."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.errors import BadInput, Mistakes, did_you_mean

Readers = Mapping[str, Callable[[str, str], Any]]  # from a value's text and the name of its giver to the value


def read_pairs(flag: str, words: Sequence[str], readers: Readers) -> dict[str, Any]:
    """The values by key.

    Args:
        flag: The flag that the words were given for, for messages.
        words: ``KEY=VALUE``, each key once.
        readers: How the value of each known key is read.

    Raises:
        BadInput: A word is no pair, a key is unknown or given twice, or a value cannot be read; all are named.

    Example:
        >>> read_pairs('--slurm', ['partition=gpu', 'cpus=4'], dict(partition=text, cpus=count))
        {'partition': 'gpu', 'cpus': 4}
    """
    mistakes, values = Mistakes(), dict[str, Any]()
    for word in words:
        key, given, value = word.partition('=')
        with mistakes.noted():
            if not given or not value:
                raise BadInput(f'{flag} {word}: it is no KEY=VALUE')
            if key in values:
                raise BadInput(f'{flag} gives {key} twice; give it once')
            values |= read_values(flag, {key: value}, readers)
    mistakes.refuse()
    return values


def read_values(giver: str, texts: Mapping[str, str], readers: Readers) -> dict[str, Any]:
    """The values by key.

    Args:
        giver: The flag, or the field of a file, that gives the texts, for messages.
        texts: The text of each value by its key.
        readers: How the value of each known key is read.

    Raises:
        BadInput: A key is unknown, or a value cannot be read; all are named.
    """
    mistakes, values = Mistakes(), dict[str, Any]()
    for key, value in texts.items():
        with mistakes.noted():
            if key not in readers:
                raise BadInput(f"{giver} has no key '{key}'{did_you_mean(key, readers)}")
            values[key] = readers[key](value, f'{giver} {key}')
    mistakes.refuse()
    return values


def text(value: str, flag: str) -> str:
    """Any text, as it is."""
    return value


def count(value: str, flag: str) -> int:
    """A whole number of at least 1.

    Raises:
        BadInput: It is none.
    """
    if not value.isdecimal() or int(value) < 1:
        raise BadInput(f'{flag}={value}: give a whole number of at least 1')
    return int(value)


def share(value: str, flag: str) -> float:
    """A number above 0: a part of 1, or a whole number.

    Raises:
        BadInput: It is none.
    """
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not (0 < number <= 1 or number > 1 and number == int(number)):
        raise BadInput(f'{flag}={value}: give a part of 1, such as 0.25, or a whole number')
    return number


def choice(*names: str) -> Callable[[str, str], str]:
    """Reads one of these names."""

    def read(value: str, flag: str) -> str:
        if value not in names:
            raise BadInput(f'{flag}={value}: it is {" or ".join(names)}')
        return value

    return read
