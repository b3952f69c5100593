"""The dense CRF for many maps of one image: one lattice, all channels filtered at once.

The reference is pydensecrf, called by :mod:`plugins.refine.dense_crf`. Every operation that rounds is the same as in
pydensecrf, in the same order: on Linux on x86-64 both give the same bits. On other platforms pydensecrf is compiled
differently, and results differ by rounding.
"""

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from math import ceil, exp
from typing import NamedTuple

import numpy as np

from plugins.refine.compiled import compiled
from plugins.refine.crf_inputs import LEAST_PROBABILITY, Spread, check_inputs, check_kernels, groups, image_features
from plugins.refine.permutohedral import BLOCK, LANES, PermutohedralLattice, blocks, float32, in_turn_or_parallel

# Upper bound of the memory that one group of maps takes beside its results.
GROUP_BYTES = 256 * 2**20
TASK_LANES = 32  # the most lanes of one splat: the values on the lattice then stay in the cache
SIDE_BY_SIDE = 128  # points of one step of the softmax


class Kernel(NamedTuple):
    """A lattice, the scale that normalises its filter symmetrically, and the weight of the kernel."""

    lattice: PermutohedralLattice
    scale: np.ndarray
    weight: float


def dense_crf_many(
    maps: Sequence[np.ndarray],
    image: np.ndarray,
    *,
    iterations: int | Sequence[int] = 5,
    gaussian_sxy: Spread = 3,
    gaussian_compat: float = 3,
    bilateral_sxy: Spread = 80,
    bilateral_srgb: Spread = 13,
    bilateral_compat: float = 10,
    threads: int = 1,
) -> list:
    r"""Mean-field marginals of a dense CRF for several probability maps of one image.

    Each result is that of :func:`plugins.refine.dense_crf.dense_crf`: bit for bit on Linux on x86-64, to rounding on
    other platforms. It depends, bit for bit, neither on the other maps nor on the number of threads. The lattices are
    built once, and filter the channels of all maps together.

    Args:
        maps: Probability maps, float (C, H, W) each; C >= 2 may differ between maps.
        image: uint8 RGB (H, W, 3).
        iterations: Mean-field iterations, at least 1. Several numbers give the marginals after each, from one run.
        gaussian_sxy: Spread of the smoothness kernel in pixels; a number or (x, y).
        gaussian_compat: Weight of the smoothness kernel.
        bilateral_sxy: Spread of the appearance kernel in pixels; a number or (x, y).
        bilateral_srgb: Spread of the appearance kernel in grey levels; a number or (r, g, b).
        bilateral_compat: Weight of the appearance kernel.
        threads: Threads to use.

    Returns:
        The marginals of each map, float32 (C, H, W). If ``iterations`` holds several numbers, a list of such lists, one
        per number.

        The lattices take about 100 bytes per pixel of a photograph. Beside inputs, results and lattices, the
        computation takes at most 256 MiB, or as much as the largest map needs, if that is more: 8 bytes per value and 8
        bytes per channel and vertex.

    Raises:
        ValueError: Inputs are wrong (see :func:`~plugins.refine.crf_inputs.check_inputs`), ``threads`` is below 1, or a
            spread is 0 or so small that the vertices of the lattice cannot be numbered.
    """
    one = isinstance(iterations, (int, np.integer))
    counts = [int(iterations)] if isinstance(iterations, (int, np.integer)) else list(iterations)
    for probs in maps:
        check_inputs(probs, image, min(counts))
    for count in counts:
        check_kernels(count, gaussian_sxy, gaussian_compat, bilateral_sxy, bilateral_srgb, bilateral_compat)
    if threads < 1:
        raise ValueError(f'dense_crf_many: threads={threads} must be at least 1.')
    results: list[list] = [[None] * len(maps) for _ in counts]
    if not len(maps):
        return results[0] if one else results
    with ThreadPoolExecutor(threads) if threads > 1 else nullcontext() as pool:
        kernels = _kernels(
            image, (gaussian_sxy, gaussian_compat), (bilateral_sxy, bilateral_srgb, bilateral_compat), pool
        )
        bytes_per_lane = 8 * image[..., 0].size + sum(8 * kernel.lattice.size for kernel in kernels)
        for group in groups([len(probs) for probs in maps], GROUP_BYTES // bytes_per_lane // LANES * LANES):
            after = _mean_field([maps[m] for m in group], kernels, counts, threads, pool)
            for of_count, refined in zip(results, after):
                for m, probs in zip(group, refined):
                    of_count[m] = probs
    return results[0] if one else results


def _kernels(image: np.ndarray, gaussian: tuple, bilateral: tuple, pool: Executor | None) -> list[Kernel]:
    """The kernels whose weight is not 0."""
    built = [
        (PermutohedralLattice(image_features(image, *spreads), pool), weight)
        for *spreads, weight in (gaussian, bilateral)
        if weight
    ]
    return in_turn_or_parallel(pool, lambda lattice, weight: Kernel(lattice, lattice.symmetric_scale(), weight), built)


def _mean_field(
    maps: list[np.ndarray], kernels: list[Kernel], counts: list[int], threads: int, pool: Executor | None
) -> list[list[np.ndarray]]:
    """Marginals of one group of maps, for each number of iterations in ``counts``."""
    parts = blocks(maps[0][0].size, BLOCK)
    ends = np.cumsum([len(probs) for probs in maps])
    evidence = _rows(maps, ends, parts, pool)
    # A splat sums over all points in their order, so threads divide the kernels and lanes among them, not the points.
    # Each task reads all weights and vertices again: fewer tasks are less work.
    vectors = evidence.shape[1] // LANES
    width = min(TASK_LANES, LANES * ceil(vectors / ceil(threads / max(1, len(kernels)))))
    filters = [(kernel, *lanes) for kernel in kernels[::-1] for lanes in blocks(evidence.shape[1], width)]
    q = np.empty_like(evidence)

    def update(values: list[np.ndarray], first: int, last: int) -> None:
        q[first:last] = evidence[first:last]
        for on_lattice, (kernel, lane, _) in zip(values[::-1], filters[::-1]):
            kernel.lattice.add_slice(
                on_lattice, kernel.scale, kernel.weight, q, lane, first, last, gain_last=len(maps[0]) == 2
            )
        _softmax(q, ends, first, last)

    in_turn_or_parallel(pool, update, [([], *part) for part in parts])
    after = {}
    for iteration in range(1, max(counts) + 1):
        values = in_turn_or_parallel(
            pool, lambda kernel, *lanes: kernel.lattice.splat_and_blur(q, kernel.scale, *lanes), filters
        )
        in_turn_or_parallel(pool, update, [(values, *part) for part in parts])
        if iteration in counts:
            after[iteration] = _maps(q, maps, ends, parts, pool)
    return [after[count] for count in counts]


def _rows(maps: list[np.ndarray], ends: np.ndarray, parts: list[tuple[int, int]], pool: Executor | None) -> np.ndarray:
    """Log probabilities of all maps side by side, float32 (pixels, lanes), padded with 0 to a multiple of ``LANES``."""
    rows = np.zeros((maps[0][0].size, LANES * ceil(ends[-1] / LANES)), float32)
    flat = [probs.reshape(len(probs), -1) for probs in maps]

    def fill(first: int, last: int) -> None:
        for probs, end in zip(flat, ends):
            clipped = np.clip(probs[:, first:last], LEAST_PROBABILITY, 1).astype(float32)
            rows[first:last, end - len(probs) : end] = np.log(clipped).T

    in_turn_or_parallel(pool, fill, parts)
    return rows


def _maps(
    rows: np.ndarray, like: list[np.ndarray], ends: np.ndarray, parts: list[tuple[int, int]], pool: Executor | None
) -> list[np.ndarray]:
    """The inverse of :func:`_rows` without the logarithm: float32 maps with the shapes of ``like``."""
    maps = [np.empty(probs.shape, float32) for probs in like]

    def fill(first: int, last: int) -> None:
        for probs, end in zip(maps, ends):
            probs.reshape(len(probs), -1)[:, first:last] = rows[first:last, end - len(probs) : end].T

    in_turn_or_parallel(pool, fill, parts)
    return maps


@compiled
def _softmax(q, ends, first, last):
    """Softmax in place over the channels of each map, ``SIDE_BY_SIDE`` points at a time, for vector code."""
    lanes = ends[-1]
    rows = np.zeros((lanes, SIDE_BY_SIDE), float32)
    spare, partial = np.empty(SIDE_BY_SIDE, float32), np.empty((8, SIDE_BY_SIDE), float32)
    for at in range(first, last, SIDE_BY_SIDE):
        n = min(SIDE_BY_SIDE, last - at)
        for p in range(n):
            for c in range(lanes):
                rows[c, p] = q[at + p, c]
        start = 0
        for end in ends:
            if end - start == 2:
                _softmax_of_two(rows[start], rows[start + 1], spare, partial[0])
            else:
                _softmax_of_more(rows[start:end], spare, partial)
            start = end
        for p in range(n):
            for c in range(lanes):
                q[at + p, c] = rows[c, p]


@compiled
def _softmax_of_two(a, b, e, spare):
    """Softmax of two channels, in place. Before the division by the sum, the larger of the two is e^0 = 1."""
    for p in range(len(a)):
        e[p] = -abs(a[p] - b[p])
    _library_exp(e, spare)
    for p in range(len(a)):
        large, small = float32(1) / (float32(1) + e[p]), e[p] / (float32(1) + e[p])
        a_leads = a[p] >= b[p]
        a[p] = large if a_leads else small
        b[p] = small if a_leads else large


@compiled
def _softmax_of_more(rows, of_point, partial):
    """Softmax over the first axis, in place.

    Mean field may amplify a rounding a hundred times. Exponentials and the order of their sum are therefore those of
    pydensecrf: classes in fours with two partial sums for each position in the four, then the remaining classes (at
    most three) one by one.
    """
    fours, eights = len(rows) // 4 * 4, len(rows) // 8 * 8
    points = rows.shape[1]
    of_point[:] = rows[0]
    for c in range(1, len(rows)):
        for p in range(points):
            of_point[p] = max(of_point[p], rows[c, p])
    for c in range(fours):
        for p in range(points):
            rows[c, p] = _exp(rows[c, p] - of_point[p])
    for c in range(fours, len(rows)):
        for p in range(points):
            rows[c, p] -= of_point[p]
        _library_exp(rows[c], partial[0])
    partial[:] = 0
    for c in range(eights):
        for p in range(points):
            partial[c % 8, p] += rows[c, p]
    for c in range(4):
        for p in range(points):
            partial[c, p] += partial[c + 4, p]
    for c in range(eights, fours):
        for p in range(points):
            partial[c - eights, p] += rows[c, p]
    for p in range(points):
        of_point[p] = (partial[0, p] + partial[2, p]) + (partial[1, p] + partial[3, p])
    for c in range(fours, len(rows)):
        for p in range(points):
            of_point[p] += rows[c, p]
    for c in range(len(rows)):
        for p in range(points):
            rows[c, p] /= of_point[p]


@compiled
def _exp(x):
    """e^x for x <= 0 by the polynomial of the Cephes library's expf, as in Eigen; relative error 1e-7, 0 below -88."""
    x = max(x, float32(-88.3762626647949))
    k = np.floor(x * float32(1.44269504088896341) + float32(0.5))
    r = x - k * float32(0.693359375) - k * float32(-2.12194440e-4)  # log 2 in two parts, so that r loses no digit
    p = float32(1.9875691500e-4)
    p = p * r + float32(1.3981999507e-3)
    p = p * r + float32(8.3334519073e-3)
    p = p * r + float32(4.1665795894e-2)
    p = p * r + float32(1.6666665459e-1)
    p = p * r + float32(5.0000001201e-1)
    power = np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(float32)
    return (p * (r * r) + r + float32(1)) * power


@compiled
def _library_exp(x, rounded):
    """e^x for x <= 0, in place, with the bits of the C library's expf.

    The error of the library's expf is at most 0.502 units in the last place. It can therefore differ from the correctly
    rounded value only if e^x lies very close to the middle between two float32 values. For these points the library is
    called; for all others the value in double precision is rounded.

    Args:
        x: float32 (points,).
        rounded: float32 (points,), scratch memory. NaN marks a point for which the library is called.
    """
    doubtful = 0
    for p in range(len(x)):
        y = _double_exp(x[p])
        close = float32(y * (1 - 3e-10)) != float32(y * (1 + 3e-10))
        rounded[p] = np.nan if close else y
        doubtful += np.int32(close)
    if doubtful:
        for p in range(len(x)):
            if np.isnan(rounded[p]):
                rounded[p] = exp(x[p])
    x[:] = rounded


@compiled
def _double_exp(x):
    """e^x for a float32 x <= 0 by its power series in double precision; relative error 1e-11."""
    x = max(np.float64(x), -104.0)  # e^x is 0 in float32 for a smaller x
    k = np.rint(x * 1.4426950408889634)
    r = x - k * 0.6931471805599453
    p = 1 / 362880
    p = p * r + 1 / 40320
    p = p * r + 1 / 5040
    p = p * r + 1 / 720
    p = p * r + 1 / 120
    p = p * r + 1 / 24
    p = p * r + 1 / 6
    p = p * r + 1 / 2
    return (p * (r * r) + r + 1) * np.int64((np.int64(k) + 1023) << 52).view(np.float64)
