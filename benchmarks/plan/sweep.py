"""Design ``sweep``: a technique with several values of its parameters, a row for each.

    dict(type='sweep', technique='focal_tversky', over=dict(gamma=[0.5, 1, 2]))
    dict(type='sweep', technique='focal_tversky', over=[dict(alpha=0.3, beta=0.7), dict(alpha=0.5, beta=0.5)])
    dict(type='sweep', technique='focal_tversky', over=dict(simplex=['alpha', 'beta'], parts=4))

A dict of ``over`` asks for every combination of the values of its keys, a list for each of its points. The values of a
key are a list; a range ``dict(first=..., last=..., number=..., log=True)``; or a dict that names each value, for values
without a short name of their own. A ``simplex`` is a list of points, too: all ways of sharing out ``total`` (1) among
its keys in so many equal parts, each key at least one part; ``least=0`` allows none.
:mod:`benchmarks.stacks.variants` says what a key is.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from benchmarks.errors import BadInput, did_you_mean
from benchmarks.plan.layout import Comparison, Layout
from benchmarks.stacks.variants import UNSAFE, Variant, text_of

SIMPLEX = ('simplex', 'parts', 'total', 'least')
VALIDATION = 'validation'
RANGE = ('first', 'last', 'number', 'log')
HOW = "give over=dict(key=[value, ...]), or over=[dict(key=value, ...), ...], with keys of the technique's overlay"
Named = tuple[str, Any]  # the text of a value in names, and the value


def sweep(
    technique: str, over: Any, on: Sequence[str] = (), reference: Sequence[str] | None = None, choose: str | None = None
) -> Layout:
    """Each variant of a technique on a stack, against a reference.

    Args:
        technique: The technique's name.
        over: Keys and their values; see the text above.
        on: The stack that each variant is added to; by default the baseline.
        reference: The stack that each row is compared with; by default the stack without the technique.
        choose: ``'validation'`` has each row predict the validation images, too, so that the best one is chosen there.

    Raises:
        BadInput: ``over`` is no such dict or list, two points have one name, or ``choose`` is something else.
    """
    if choose not in (None, VALIDATION):
        raise BadInput(
            f"the sweep of '{technique}' has choose={choose!r}; give choose='{VALIDATION}', or leave it out: values "
            'are then compared on the test images'
        )
    variants: dict[str, Variant] = {}
    for point in _points(over, f"the sweep of '{technique}'"):
        texts, values = ({key: named[n] for key, named in point.items()} for n in (0, 1))
        variant = Variant(technique, values, texts)
        if variant.name in variants:
            raise BadInput(
                f"the sweep of '{technique}' has two rows '{variant.name}'; take one out, or name its values"
            )
        variants[variant.name] = variant
    against = tuple(on) if reference is None else tuple(reference)
    stacks = [(*on, name) for name in variants]
    return Layout(
        list(dict.fromkeys([against, *stacks])),
        [Comparison('sweep', stack, against) for stack in stacks],
        variants=variants,
        validated=tuple(stacks) if choose else (),
    )


def _points(over: Any, origin: str) -> Iterator[dict[str, Named]]:
    """Each combination of values, by key."""
    over = _simplex(over, origin) if isinstance(over, Mapping) and SIMPLEX[0] in over else over
    rows = [over] if isinstance(over, Mapping) else over
    if not isinstance(rows, (list, tuple)) or not rows or not all(isinstance(row, Mapping) and row for row in rows):
        raise BadInput(f'{origin} has over={over!r}; {HOW}')
    for row in rows:
        try:
            options = {key: _options(key, values) if row is over else [_named(values)] for key, values in row.items()}
        except BadInput as error:
            raise BadInput(f'{origin}: {error}') from None
        for values in product(*options.values()):
            yield dict(zip(options, values))


def _simplex(over: Mapping[str, Any], origin: str) -> list[dict[str, float]]:
    """The points of a lattice on a simplex, the first key varying slowest.

    Raises:
        BadInput: It has another field, keys that are no list of two names or more, or too few parts for them.
    """
    for name in over.keys() - set(SIMPLEX):
        raise BadInput(f"{origin} has a simplex with a field '{name}'{did_you_mean(str(name), SIMPLEX)}")
    keys, parts, total, least = over['simplex'], over.get('parts'), over.get('total', 1), over.get('least', 1)
    named = isinstance(keys, (list, tuple)) and len(set(map(str, keys))) == len(keys) > 1
    if not named or not all(isinstance(key, str) for key in keys):
        raise BadInput(f'{origin} has simplex={keys!r}; give the keys of two parameters or more')
    if type(total) not in (int, float) or not 0 < total < float('inf'):
        raise BadInput(f'{origin} has a simplex with total={total!r}; give the sum of the values, above 0')
    if type(parts) is not int or type(least) is not int or not 0 <= least * len(keys) < parts:
        raise BadInput(
            f'{origin} has a simplex of {len(keys)} keys with parts={parts!r}, least={least!r}; give more parts than '
            f'{len(keys)} keys of the least number of parts need, such as parts={2 * len(keys)}, least=1'
        )
    shares = product(range(least, parts + 1), repeat=len(keys))
    return [{key: total * share / parts for key, share in zip(keys, of)} for of in shares if sum(of) == parts]


def _named(value: Any) -> Named:
    """A value with its text. Numbers are rounded to 12 digits, so that 1 - 0.9 is 0.1."""
    value = float(f'{value:.12g}') if isinstance(value, float) else value
    return text_of(value), value


def _options(key: str, values: Any) -> list[Named]:
    """The values of a key, with their names.

    Raises:
        BadInput: They are no list, range or dict of named values.
    """
    if isinstance(values, Mapping) and values.keys() & set(RANGE):
        values = _range(**_only_range(key, values))
    if isinstance(values, Mapping):
        wrong = [name for name in values if UNSAFE.search(str(name))]
        if wrong:
            raise BadInput(f"'{key}' has a value called '{wrong[0]}'; use letters, digits, _, - and . in names")
        named = [(str(name), value) for name, value in values.items()]
    elif isinstance(values, (list, tuple)):
        named = [_named(value) for value in values]
    else:
        raise BadInput(
            f"'{key}' has the values {values!r}; give a list, dict(first=..., last=..., number=...), or names"
        )
    if not named:
        raise BadInput(f"'{key}' has no values; give it a list of them")
    return named


def _only_range(key: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a range, if it has all that it needs and no other."""
    for name in given.keys() - set(RANGE):
        raise BadInput(f"the range of '{key}' has a field '{name}'{did_you_mean(str(name), RANGE)}")
    for name in RANGE[:3]:
        value = given.get(name)
        if isinstance(value, bool) or not isinstance(value, int if name == 'number' else (int, float)):
            raise BadInput(
                f"the range of '{key}' has {name}={value!r}; give dict(first=1, last=16, number=5, log=True)"
            )
    if given['number'] < 2:
        raise BadInput(f"the range of '{key}' has number={given['number']}; give 2 values or more")
    if given.get('log') and min(given['first'], given['last']) <= 0:
        raise BadInput(f"the range of '{key}' is logarithmic, so its ends must be above 0")
    return dict(given)


def _range(first: float, last: float, number: int, log: bool = False) -> list[float]:
    """Evenly spaced values, of their logarithms with ``log``; rounded to six digits, whole numbers as integers."""
    steps = [n / (number - 1) for n in range(number)]
    values = [first * (last / first) ** s if log else first + (last - first) * s for s in steps]
    rounded = [float(f'{value:.6g}') for value in values]
    whole = isinstance(first, int) and isinstance(last, int) and all(value.is_integer() for value in rounded)
    return [int(value) for value in rounded] if whole else rounded
