"""Two ways of computing the same thing, timed in turn in one process, as a ratio with its spread.

Each round times both ways, one right after the other and in alternating order, so that other work of the machine slows
both equally. The ratio of a round is the reference's time divided by ours: above 1, ours is faster.
"""

import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.session.environment import environment

ROUNDS = 9
RESULTS = Path('results/speed')


@dataclass(frozen=True)
class Ratio:
    """One line of a comparison.

    Args:
        what: The computation, with its size.
        reference: The name of the way that a user would take instead.
        ours: The name of the way that is compared with it.
        reference_s: Median seconds of the reference.
        ours_s: Median seconds of ours.
        ratio: Median over the rounds of reference / ours.
        low: Lower quartile of that ratio over the rounds.
        high: Its upper quartile.
        rounds: Number of rounds.
        reach: The ratio to reach; None where there is none.
        note: The equality of both results in this run, and other facts.
    """

    what: str
    reference: str
    ours: str
    reference_s: float
    ours_s: float
    ratio: float
    low: float
    high: float
    rounds: int
    reach: float | None = None
    note: str = ''


def side_by_side(
    what: str,
    reference: tuple[str, Callable[[], Any]],
    ours: tuple[str, Callable[[], Any]],
    *,
    rounds: int = ROUNDS,
    reach: float | None = None,
    note: str = '',
) -> Ratio:
    """Time two callables in turn, after one untimed call of each.

    Args:
        what: The computation, with its size.
        reference: Name and callable of the way that a user would take instead.
        ours: Name and callable of our way.
        rounds: How often both are timed.
        reach: The ratio to reach; None where there is none.
        note: Facts that belong to the line, such as the equality that was checked.
    """
    calls = dict(reference=reference[1], ours=ours[1])
    for call in calls.values():
        call()
    seconds: dict[str, list[float]] = dict(reference=[], ours=[])
    for number in range(rounds):
        for name in sorted(calls, reverse=bool(number % 2)):
            seconds[name].append(_seconds(calls[name]))
    return summarised(what, reference[0], ours[0], seconds['reference'], seconds['ours'], reach=reach, note=note)


def summarised(
    what: str,
    reference: str,
    ours: str,
    reference_s: Sequence[float],
    ours_s: Sequence[float],
    *,
    reach: float | None = None,
    note: str = '',
) -> Ratio:
    """The line of a comparison whose rounds the caller has timed, such as whole commands."""
    ratios = [theirs / own for theirs, own in zip(reference_s, ours_s, strict=True)]
    low, high = _quartiles(ratios)
    return Ratio(
        what,
        reference,
        ours,
        statistics.median(reference_s),
        statistics.median(ours_s),
        statistics.median(ratios),
        low,
        high,
        len(ratios),
        reach,
        note,
    )


def report(name: str, lines: Sequence[Ratio], *, arguments: Sequence[str] = (), **facts: Any) -> Path:
    """Print a comparison as a table, and keep it as JSON with the machine and the versions.

    Args:
        name: The comparison's name; the file is ``results/speed/<name>.json``.
        lines: Its lines.
        arguments: What its command takes.
        facts: Further facts (threads, sizes).

    Returns:
        The file.
    """
    around = environment()
    print(
        f'{name}: {around["cpu"]["model"]}, {around["cpu"]["usable_cores"]} cores'
        f'{"".join(", " + gpu for gpu in around["gpus"])}, load {_load()}'
    )
    for line in lines:
        reach = '' if line.reach is None else f', to reach {line.reach:g}×'
        print(
            f'  {line.what}: {line.ours} {as_time(line.ours_s)}, {line.reference} {as_time(line.reference_s)}: '
            f'{line.ratio:.2f}× [{line.low:.2f}, {line.high:.2f}]{reach}{"; " + line.note if line.note else ""}'
        )
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f'{name}.json'
    content = dict(
        name=name,
        command=' '.join([f'python -m benchmarks.speed.{name}', *arguments]),
        load_average=_load(),
        lines=[asdict(line) for line in lines],
        **facts,
        environment=around,
    )
    path.write_text(json.dumps(content, indent=1) + '\n')
    return path


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method='inclusive')
    return low, high


def _load() -> float | None:
    """How many processes were busy over the last minute, which tells whether a ratio was taken beside other work."""
    return round(os.getloadavg()[0], 2) if hasattr(os, 'getloadavg') else None


def as_time(seconds: float) -> str:
    """Seconds or milliseconds, three digits."""
    return f'{seconds:.3g} s' if seconds >= 1 else f'{seconds * 1000:.3g} ms'
