"""High-dimensional Gaussian filtering on the permutohedral lattice, compiled by numba.

Adams, Baek and Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice", Eurographics 2010. The filter
approximates ``out_i = sum_j exp(-|f_i - f_j|^2 / 2) v_j``, up to a factor, in three steps: splat the value of each
point onto the d + 1 vertices of the simplex around it, blur the vertices along the d + 1 axes of the lattice, and slice
the result of each point from the same vertices.

Coordinates, weights and the order of every sum are those of pydensecrf on x86-64, so that both give the same bits.
There is one difference: pydensecrf stores the coordinates of vertices in 16 bits, and wraps silently if spreads are so
small that coordinates exceed about ±32,000, at about 9,000 spreads from the origin. Here coordinates never wrap.

How to debug this module. The functions ``_add_one`` and ``_add_three`` write LLVM instructions by hand, because no
compiler vectorises such short loops: it would have to check each time that the arrays do not overlap. With them the
dense CRF is about ten times faster than pydensecrf for ten binary maps of one image.

1. To see whether they are at fault, replace them by plain loops over ``LANES``, which compute the same bits:
   ``for k in range(LANES): into[at + k] += v * (u * source[i + k])`` for ``_add_one``, and likewise the docstring's
   formula for ``_add_three``. If the result stays wrong, the fault is elsewhere.
2. ``test_permutohedral.py`` tests the lattice alone, and ``test_dense_crf_many.py`` compares the dense CRF with
   pydensecrf bit for bit. A difference in the last bits alone points to another order of a sum or to a fused
   multiply-add; a large difference points to a wrong index.
3. ``NUMBA_DISABLE_JIT=1`` does not help, because intrinsics exist only in compiled code. ``NUMBA_BOUNDSCHECK=1``, with
   an empty ``NUMBA_CACHE_DIR``, checks the indices of the plain loops. ``_splat.inspect_llvm()`` returns the generated
   instructions and ``_splat.inspect_asm()`` the machine code, for each signature that was called in this process.
4. numba's cache compiles a function again if the file that defines it has changed, but not if an imported file has
   changed. A compiled function in another module that calls one from here keeps the old code until its ``.nbi`` and
   ``.nbc`` files in ``__pycache__`` are deleted.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from math import ceil, prod, sqrt

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from plugins.refine.compiled import compiled

LANES = 8  # the number of lanes of a row is a multiple of this
BLOCK = 16384  # points of one task; their rows fit into the second-level cache
SIDE_BY_SIDE = 64  # points embedded at the same time
MOST_COORDINATES = 2**20  # up to here, float32 places a point within its simplex to a tenth

float32 = np.float32


def in_turn_or_parallel(pool: Executor | None, call: Callable, arguments: Iterable[tuple]) -> list:
    """``[call(*a) for a in arguments]``, computed by the threads of ``pool``, or by this thread if it is None."""
    if pool is None:
        return [call(*these) for these in arguments]
    return list(pool.map(lambda these: call(*these), arguments))


def blocks(n: int, size: int) -> list[tuple[int, int]]:
    """Ranges ``(first, last)`` of at most ``size`` that cover ``range(n)``."""
    return [(first, min(first + size, n)) for first in range(0, n, size)]


class PermutohedralLattice:
    """The lattice that a set of points spans; it filters any number of channels on these points.

    Args:
        features: Positions divided by the spreads of the Gaussian, float32 (d, N). d + 1 is a multiple of 3 (so d is 2
            or 5), because slicing reads three vertices at a time.
        pool: Threads that build the lattice; the result does not depend on them. None: the calling thread.

    Attributes:
        vertices: int32 (N, d + 1), the vertices of each point's simplex, numbered from 1. Row 0 of the values on the
            lattice is 0 and stands for vertices that do not exist.
        weights: float32 (N, d + 1), the barycentric coordinates of the points.
        neighbours: int32 (d + 1, M, 2), for each vertex its two neighbours along each axis, 0 for none.
        size: M, the number of vertices.
        gain: Factor of slices, 1 / (1 + 2^-d). A normalised filter does not depend on it.

    Raises:
        ValueError: Features are not finite, too large for float32 to place points within their simplex, or too large
            for keys of 64 bits; or d + 1 is no multiple of 3.
    """

    def __init__(self, features: np.ndarray, pool: Executor | None = None) -> None:
        d, n = features.shape
        if (d + 1) % 3:
            raise ValueError(f'Permutohedral lattice: features have {d} dimensions, but d + 1 must be a multiple of 3.')
        # pydensecrf embeds four points at a time and pads with the origin, whose vertices then take part in the blur.
        filled = np.pad(features, ((0, 0), (0, 1))) if n % 4 else features
        scale = axis_scales(d)
        strides = key_strides(filled.min(1), filled.max(1), scale)
        self.weights = np.empty((filled.shape[1], d + 1), float32)
        self.vertices = np.empty((filled.shape[1], d + 1), np.int32)
        parts = blocks(filled.shape[1], BLOCK)
        found = in_turn_or_parallel(pool, lambda *part: self._embed(filled, scale, strides, *part), parts)
        keys = np.concatenate(found)
        numbers = np.empty((len(keys), 1), np.int32)
        distinct, table = _number(keys[:, None], numbers)
        starts = np.cumsum([0, *map(len, found)])
        in_turn_or_parallel(
            pool,
            _renumber,
            [
                (self.vertices[first:last], numbers[start:stop, 0])
                for (first, last), start, stop in zip(parts, starts, starts[1:])
            ],
        )
        self.vertices, self.weights = self.vertices[:n], self.weights[:n]
        self.neighbours = np.empty((d + 1, len(distinct), 2), np.int32)
        # A step along axis j adds d to coordinate j and subtracts 1 from the others. Keys omit the last coordinate.
        steps = (d + 1) * np.append(strides, 0) - strides.sum()
        in_turn_or_parallel(
            pool,
            lambda *part: _find_neighbours(distinct, table, steps, *part, self.neighbours),
            blocks(len(distinct), BLOCK),
        )
        self.size = len(distinct)
        self.gain = 1 / (1 + 2.0**-d)

    def _embed(self, features: np.ndarray, scale: np.ndarray, strides: np.ndarray, first: int, last: int) -> np.ndarray:
        """Embed points ``first`` to ``last``: set their weights, and number their vertices within this block.

        Returns:
            The key of each vertex of the block, by its number.
        """
        keys = np.empty((last - first, len(features) + 1), np.int64)
        _embed(features, first, last, scale, strides, keys, self.weights)
        return _number(keys, self.vertices[first:last])[0]

    def splat_and_blur(
        self, values: np.ndarray, scale: np.ndarray, first: int = 0, last: int | None = None
    ) -> np.ndarray:
        """Splat and blur ``scale * values[:, first:last]``.

        Each lane (channel) is summed over the points in their order, so it does not depend on the other lanes.

        Args:
            values: float32 (N, lanes), lanes a multiple of ``LANES``.
            scale: float32 (N,).
            first: The first lane.
            last: The lane after the last; ``last - first`` is a multiple of ``LANES``. None takes all lanes.

        Returns:
            Values on the lattice, float32 (M + 1, last - first).
        """
        _check_rows(values)
        shape = self.size + 1, (values.shape[1] if last is None else last) - first
        on_lattice, spare = np.zeros(shape, float32), np.empty(shape, float32)
        spare[0] = 0
        _splat(values, first, scale, self.vertices, self.weights, on_lattice)
        for axis in self.neighbours:
            _blur(on_lattice, axis, spare)
            on_lattice, spare = spare, on_lattice
        return on_lattice

    def add_slice(
        self,
        on_lattice: np.ndarray,
        scale: np.ndarray,
        weight: float,
        into: np.ndarray,
        lane: int,
        first: int,
        last: int,
        gain_last: bool = False,
    ) -> None:
        """Slice points ``first`` to ``last``: add ``weight * scale * slice(on_lattice)`` to their rows of ``into``.

        Args:
            on_lattice: Values on the lattice, from :meth:`splat_and_blur`.
            scale: float32 (N,).
            weight: Factor of all values.
            into: float32 (N, at least lane + lanes of on_lattice); changed in place.
            lane: The first lane of ``into`` that is changed.
            first: The first point.
            last: The point after the last.
            gain_last: True multiplies ``gain`` to the terms of the sum, False to the weights; the roundings differ.
                pydensecrf multiplies the terms if there are one or two channels.
        """
        _check_rows(into)
        gains = np.array([1, self.gain] if gain_last else [self.gain, 1], float32)
        _add_slice(on_lattice, self.vertices, self.weights, gains, scale, float32(weight), into, lane, first, last)

    def filter(self, values: np.ndarray, scale: np.ndarray | None = None) -> np.ndarray:
        """``scale * K(scale * values)``, where K is the filter without normalisation.

        Args:
            values: float32 (N, lanes), lanes a multiple of ``LANES``.
            scale: float32 (N,); None stands for 1.

        Returns:
            float32 (N, lanes).
        """
        scale = np.ones(len(values), float32) if scale is None else scale
        out = np.zeros_like(values)
        self.add_slice(self.splat_and_blur(values, scale), scale, 1, out, 0, 0, len(values), gain_last=True)
        return out

    def symmetric_scale(self) -> np.ndarray:
        """``s = 1 / sqrt(K 1)``, float32 (N,): ``s K(s v)`` is the symmetrically normalised filter."""
        of_ones = self.filter(np.ones((len(self.weights), LANES), float32))[:, 0]
        return (1 / np.sqrt(of_ones.astype(float) + 1e-20)).astype(float32)


def _check_rows(rows: np.ndarray) -> None:
    """Refuse rows that the compiled loops cannot read as vectors of ``LANES`` float32."""
    if rows.dtype != float32 or not rows.flags.c_contiguous or rows.shape[1] % LANES:
        raise ValueError(
            f'Permutohedral lattice: values must be float32, contiguous, and of a multiple of {LANES} '
            f'lanes, but they are {rows.dtype} {rows.shape}.'
        )


def axis_scales(d: int) -> np.ndarray:
    """Factors of the features before the embedding, float32 (d,): sqrt(2 / 3) (d + 1) / sqrt((i + 1) (i + 2)).

    The columns of the embedding have the lengths sqrt((i + 1) (i + 2)). On the lattice, splatting, blurring and slicing
    together act as a Gaussian of variance 2 (d + 1)^2 / 3.
    """
    deviation = float(float32(sqrt(2 / 3) * (d + 1)))
    return np.array([1 / sqrt((i + 2) * (i + 1)) * deviation for i in range(d)], float32)


def key_strides(low: np.ndarray, high: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Strides that turn the first d coordinates of a vertex into one integer, its key.

    Vertices near points, and their neighbours, have distinct keys.

    Args:
        low: The smallest value of each feature, (d,).
        high: The largest value of each feature, (d,).
        scale: Factors from :func:`axis_scales`.

    Returns:
        int64 (d,).

    Raises:
        ValueError: Features are not finite, or the lattice spans too many coordinates.
    """
    d = len(scale)
    if not np.isfinite([low, high]).all():
        raise ValueError('Permutohedral lattice: features are not finite; spreads must be more than 0.')
    widths = (np.maximum(high, 0).astype(float) - np.minimum(low, 0)) * scale
    # Coordinate i of an embedded point is the sum of its scaled features from i on, minus i times feature i - 1. In
    # each coordinate a vertex is at most d + 1 from its point, and a neighbour d further. The rest allows for rounding.
    counts = [ceil((widths[i:].sum() + i * widths[i - 1]) * (1 + 1e-5)) + 6 * (d + 1) for i in range(d)]
    if max(counts) > MOST_COORDINATES or prod(counts) >= 2**63:
        raise ValueError(
            f'Permutohedral lattice: it spans {counts} coordinates, more than can be told apart; use larger spreads.'
        )
    return np.array([prod(counts[:i]) for i in range(d)], np.int64)


@compiled
def _embed(features, first, last, scale, strides, keys, weights):
    """The simplex of each point: keys (last - first, d + 1) of its vertices, and its weights (N, d + 1) on them."""
    d = len(features)
    size = float32(d + 1)
    inverse = float32(1) / size
    elevated = np.empty((d + 1, SIDE_BY_SIDE), float32)
    lowest = np.empty((d + 1, SIDE_BY_SIDE), float32)  # the vertex of remainder 0 of the simplex
    rank = np.empty((d + 1, SIDE_BY_SIDE), float32)
    total = np.empty(SIDE_BY_SIDE, float32)
    order = np.empty(d + 1, np.int64)
    offset = np.empty(d + 1, float32)
    all_strides = strides.sum()
    for start in range(first, last, SIDE_BY_SIDE):
        n = min(SIDE_BY_SIDE, last - start)
        # Embed the points in the hyperplane of d + 1 coordinates whose sum is 0.
        total[:] = 0
        for j in range(d, 0, -1):
            for p in range(n):
                feature = features[j - 1, start + p] * scale[j - 1]
                elevated[j, p] = total[p] - float32(j) * feature
                total[p] += feature
        elevated[0] = total
        # The closest vertex of remainder 0: multiples of d + 1, whose sum may differ from 0.
        total[:] = 0
        rank[:] = 0
        for i in range(d + 1):
            for p in range(SIDE_BY_SIDE):
                rounded = np.rint(inverse * elevated[i, p])
                lowest[i, p] = rounded * size
                total[p] += rounded
        for i in range(d):
            for j in range(i + 1, d + 1):
                for p in range(SIDE_BY_SIDE):
                    less = float32(elevated[i, p] - lowest[i, p] < elevated[j, p] - lowest[j, p])
                    rank[i, p] += less
                    rank[j, p] += float32(1) - less
        # Return to the hyperplane: change the coordinates with the largest rounding.
        for i in range(d + 1):
            for p in range(SIDE_BY_SIDE):
                moved = rank[i, p] + total[p]
                wrap = size * (float32(moved < 0) - float32(moved >= size))
                rank[i, p] = moved + wrap
                lowest[i, p] += wrap
                elevated[i, p] = (elevated[i, p] - lowest[i, p]) * inverse
        for p in range(n):
            key = 0
            for i in range(d + 1):
                order[int(rank[i, p])] = i
                offset[int(rank[i, p])] = elevated[i, p]
                if i < d:
                    key += np.int64(lowest[i, p]) * strides[i]
            at = start + p
            # Barycentric coordinates are the differences of successive offsets in sorted order.
            weights[at, 0] = offset[d] + (float32(1) - offset[0])
            keys[at - first, 0] = key
            # The next vertex: add 1 to each coordinate, and subtract d + 1 from that with the largest remaining offset.
            for r in range(1, d + 1):
                weights[at, r] = offset[d - r] - offset[d - r + 1]
                key += all_strides
                if order[d + 1 - r] < d:
                    key -= (d + 1) * strides[order[d + 1 - r]]
                keys[at - first, r] = key


@compiled
def _slot(key, table, distinct):
    """The slot of ``key`` in the hash table, or its free slot: open addressing, linear probing, 2^n slots."""
    slot = np.int64(np.uint64(key) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(20)) & (len(table) - 1)
    while table[slot] >= 0 and distinct[table[slot]] != key:
        slot = (slot + 1) & (len(table) - 1)
    return slot


@compiled
def _number(keys, numbers):
    """Number the keys (n, k) by first appearance, into ``numbers``; return the distinct keys and their hash table."""
    table = np.full(4096, -1, np.int32)
    distinct = np.empty(keys.size, np.int64)
    count = 0
    for i in range(keys.shape[0]):
        for j in range(keys.shape[1]):
            key = keys[i, j]
            if i and keys[i - 1, j] == key:  # neighbouring pixels often lie in the same simplex
                numbers[i, j] = numbers[i - 1, j]
                continue
            slot = _slot(key, table, distinct)
            if table[slot] < 0:
                table[slot] = count
                distinct[count] = key
                count += 1
                if 2 * count > len(table):
                    table = np.full(2 * len(table), -1, np.int32)
                    for number in range(count):
                        table[_slot(distinct[number], table, distinct)] = number
                numbers[i, j] = count - 1
            else:
                numbers[i, j] = table[slot]
    return distinct[:count].copy(), table


@compiled
def _renumber(vertices, numbers):
    for i in range(vertices.shape[0]):
        for j in range(vertices.shape[1]):
            vertices[i, j] = numbers[vertices[i, j]] + 1


@compiled
def _find_neighbours(distinct, table, steps, first, last, neighbours):
    for j in range(len(steps)):
        for vertex in range(first, last):
            neighbours[j, vertex, 0] = table[_slot(distinct[vertex] + steps[j], table, distinct)] + 1
            neighbours[j, vertex, 1] = table[_slot(distinct[vertex] - steps[j], table, distinct)] + 1


def _lanes(context, builder, array_type, array, at):
    """A pointer to the vector of ``LANES`` float32 that starts at element ``at`` of a contiguous array."""
    start = builder.gep(make_array(array_type)(context, builder, array).data, [at])
    return builder.bitcast(start, ir.VectorType(ir.FloatType(), LANES).as_pointer())


def _times(builder, factor, vector):
    nothing = ir.Constant(vector.type, ir.Undefined)
    first = builder.insert_element(nothing, factor, ir.Constant(ir.IntType(32), 0))
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.fmul(builder.shuffle_vector(first, nothing, everywhere), vector)


# Why these are written by hand, and how to debug them: see the docstring of the module.
@intrinsic
def _add_one(typing_context, into, at, source, i, u, v):
    """``into[at + k] += v * (u * source[i + k])`` for each lane k; flat float32 arrays."""

    def generate(context, builder, signature, arguments):
        into, at, source, i, u, v = arguments
        target = _lanes(context, builder, signature.args[0], into, at)
        lanes = builder.load(_lanes(context, builder, signature.args[2], source, i), align=4)
        term = _times(builder, v, _times(builder, u, lanes))
        builder.store(builder.fadd(builder.load(target, align=4), term), target, align=4)
        return context.get_dummy_value()

    return types.void(into, types.intp, source, types.intp, types.float32, types.float32), generate


@intrinsic
def _add_three(typing_context, total, at, base, source, i, j, k, u, v, w, factor):
    """``total[at + l] = total[base + l] + factor * (u * source[i + l])`` + j and k."""

    def generate(context, builder, signature, arguments):
        total, at, base, source, i, j, k, u, v, w, factor = arguments
        lanes = builder.load(_lanes(context, builder, signature.args[0], total, base), align=4)
        for start, weight in ((i, u), (j, v), (k, w)):
            vertex = builder.load(_lanes(context, builder, signature.args[3], source, start), align=4)
            lanes = builder.fadd(lanes, _times(builder, factor, _times(builder, weight, vertex)))
        builder.store(lanes, _lanes(context, builder, signature.args[0], total, at), align=4)
        return context.get_dummy_value()

    return types.void(total, types.intp, types.intp, source, *[types.intp] * 3, *[types.float32] * 4), generate


@compiled
def _splat(values, lane, scale, vertices, weights, on_lattice):
    lanes = on_lattice.shape[1]
    source, into = values.reshape(-1), on_lattice.reshape(-1)
    for i in range(vertices.shape[0]):
        for c in range(0, lanes, LANES):
            at = i * values.shape[1] + lane + c
            for j in range(vertices.shape[1]):
                _add_one(into, np.int64(vertices[i, j]) * lanes + c, source, at, scale[i], weights[i, j])


@compiled
def _blur(old, neighbours, new):
    """Blur along one axis: new = old + (before + after) / 2. Row 0, for missing vertices, stays 0."""
    for v in range(neighbours.shape[0]):
        before, after = neighbours[v, 0], neighbours[v, 1]
        for c in range(old.shape[1]):
            new[v + 1, c] = old[v + 1, c] + float32(0.5) * (old[before, c] + old[after, c])


@compiled
def _add_slice(on_lattice, vertices, weights, gains, scale, weight, into, lane, first, last):
    lanes = on_lattice.shape[1]
    source, flat = on_lattice.reshape(-1), into.reshape(-1)
    total = np.zeros(2 * LANES, float32)  # the first half stays 0
    for i in range(first, last):
        for c in range(0, lanes, LANES):
            for j in range(0, vertices.shape[1], 3):
                _add_three(
                    total,
                    LANES,
                    LANES if j else 0,
                    source,
                    np.int64(vertices[i, j]) * lanes + c,
                    np.int64(vertices[i, j + 1]) * lanes + c,
                    np.int64(vertices[i, j + 2]) * lanes + c,
                    weights[i, j] * gains[0],
                    weights[i, j + 1] * gains[0],
                    weights[i, j + 2] * gains[0],
                    gains[1],
                )
            _add_one(flat, i * into.shape[1] + lane + c, total, LANES, scale[i], weight)
