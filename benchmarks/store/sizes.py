"""Sizes and ages as text: ``20GB``, ``30d``."""

import re

from benchmarks.errors import BadInput

_SECONDS = dict(m=60, h=3600, d=86400, w=7 * 86400)
_BYTES = dict(B=1, kB=10**3, KB=10**3, MB=10**6, GB=10**9, TB=10**12, KiB=2**10, MiB=2**20, GiB=2**30, TiB=2**40)


def size_text(size: int) -> str:
    """``1500000`` → ``1.5 MB``."""
    number = float(size)
    for unit in ('B', 'kB', 'MB', 'GB'):
        if number < 1000:
            return f'{number:.3g} {unit}'
        number /= 1000
    return f'{number:.3g} TB'


def age_s(text: str, flag: str) -> float:
    """``30d`` → seconds. The units m, h, d and w are minutes, hours, days and weeks.

    Args:
        text: The age.
        flag: The command-line flag that it was given for, for the message.

    Raises:
        BadInput: The text is no such age.
    """
    return _number(text, flag, _SECONDS, 'an age such as 12h, 30d or 8w')


def size_bytes(text: str, flag: str) -> int:
    """``20GB`` → bytes. A GB is 10⁹ bytes, a GiB 2³⁰.

    Args:
        text: The size.
        flag: The command-line flag that it was given for, for the message.

    Raises:
        BadInput: The text is no such size.
    """
    return round(_number(text, flag, _BYTES, 'a size such as 500MB, 20GB or 1.5TB'))


def _number(text: str, flag: str, units: dict[str, int], wanted: str) -> float:
    match = re.fullmatch(r'(\d+(?:\.\d+)?) ?([A-Za-z]+)', text)
    if not match or match[2] not in units:
        raise BadInput(f'{flag} {text}: it is not {wanted}')
    return float(match[1]) * units[match[2]]
