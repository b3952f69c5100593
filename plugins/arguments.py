"""Checks of the arguments of plugins, made where an object is built: a wrong one must not show after a training."""

from collections.abc import Sequence
from math import inf, isfinite
from numbers import Integral, Real
from typing import Any


def check_number(name: str, value: Any, least: float = -inf, most: float = inf, above: float = -inf) -> None:
    """Refuse a value that is no finite number in a range.

    Args:
        name: The argument's name, for the message.
        value: Its value. True and False are no numbers.
        least: The least legal value.
        most: The largest legal value.
        above: A bound that is not legal itself.

    Raises:
        ValueError: The value is no number, not finite, or out of range.
    """
    legal = isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)
    if not legal or not least <= value <= most or not value > above:
        raise ValueError(f'{name}={value!r}: give a finite number{_range(least, most, above)}')


def check_whole(name: str, value: Any, least: float = -inf, most: float = inf) -> None:
    """Refuse a value that is no whole number in a range; arguments as for :func:`check_number`.

    Raises:
        ValueError: The value is no integer, or out of range.
    """
    legal = isinstance(value, Integral) and not isinstance(value, bool)
    if not legal or not least <= int(value) <= most:
        raise ValueError(f'{name}={value!r}: give a whole number{_range(least, most, -inf)}')


def check_wholes(name: str, values: Any, least: float = -inf, most: float = inf) -> None:
    """Refuse a value that is no list of at least one whole number; arguments as for :func:`check_number`.

    Raises:
        ValueError: The value is no list, is empty, or holds something else.
    """
    if isinstance(values, str) or not isinstance(values, Sequence) or not len(values):
        raise ValueError(f'{name}={values!r}: give a list of at least one whole number{_range(least, most, -inf)}')
    for n, value in enumerate(values):
        check_whole(f'{name}[{n}]', value, least, most)


def _range(least: float, most: float, above: float) -> str:
    bounds = [
        text
        for text, bound in ((f'above {above}', above), (f'of at least {least}', least), (f'of at most {most}', most))
        if isfinite(bound)
    ]
    return f' {" and ".join(bounds)}' if bounds else ''
