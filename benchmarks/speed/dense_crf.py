"""The dense CRF on a lattice that all maps of an image share, against pydensecrf in a loop and in a process pool.

The image is a photograph that scikit-learn ships, resized to 512×512; probabilities are smooth random fields.
pydensecrf holds the GIL and has one thread, so a user can only speed it up by a pool of processes. The pool is started
before the timing, and its processes have imported everything by then; maps and results travel through pipes.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import cv2
import numpy as np
import torch
from scipy.special import softmax
from sklearn.datasets import load_sample_image

from benchmarks.speed.side_by_side import Ratio, report, side_by_side
from plugins.refine.dense_crf import dense_crf
from plugins.refine.dense_crf_many import dense_crf_many
from plugins.refine.dense_crf_torch import dense_crf_torch

SIZE = 512
MAPS = 10
CLASSES = 21
THREADS = 2
MOST_APART = 1e-5
FIRST_CALL = """
import time
import numpy as np
from plugins.refine.dense_crf_many import dense_crf_many
start = time.perf_counter()
dense_crf_many([np.full((2, 8, 8), 0.5, np.float32)], np.zeros((8, 8, 3), np.uint8))
print(time.perf_counter() - start)
"""


def main() -> None:
    """Run the comparison."""
    cv2.setNumThreads(1)
    image = cv2.resize(load_sample_image('china.jpg'), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    rng = np.random.default_rng(0)
    maps = [_probabilities(2, rng) for _ in range(MAPS)]
    with ProcessPoolExecutor(THREADS, get_context('spawn')) as pool:
        lines = [*_several(maps, image, pool), *_one(_probabilities(CLASSES, rng), image)]
    cold, warm = _first_calls()
    report(
        'dense_crf',
        lines,
        threads=THREADS,
        compiling=dict(
            first_call_with_an_empty_cache_s=cold,
            first_call_of_another_process_s=warm,
            note="numba's compiling is not part of any time above",
        ),
    )


def _several(maps: list[np.ndarray], image: np.ndarray, pool: ProcessPoolExecutor) -> list[Ratio]:
    what = f'{len(maps)} maps of 2 classes, {SIZE}×{SIZE}, 5 iterations'
    loop = 'pydensecrf in a loop', lambda: [dense_crf(probs, image) for probs in maps]
    pooled = (
        f'pydensecrf in a pool of {THREADS} processes',
        lambda: list(pool.map(partial(dense_crf, image=image), maps)),
    )
    shared = f'shared lattice, {THREADS} threads', partial(dense_crf_many, maps, image, threads=THREADS)
    alone = 'shared lattice, 1 thread', partial(dense_crf_many, maps, image)
    expected = loop[1]()
    note = _equality(shared[1](), expected)
    lines = [
        side_by_side(what, loop, shared, reach=8.0, note=note, rounds=7),
        side_by_side(what, pooled, shared, note=note, rounds=7),
        side_by_side(what, loop, alone, note=note, rounds=5),
    ]
    if torch.cuda.is_available():
        on_gpu = 'CUDA', partial(dense_crf_torch, maps, image)
        lines.append(side_by_side(what, loop, on_gpu, note=_equality(on_gpu[1](), expected), rounds=5))
    return lines


def _one(probs: np.ndarray, image: np.ndarray) -> list[Ratio]:
    what = f'one map of {len(probs)} classes, {SIZE}×{SIZE}, 10 iterations'
    reference = 'pydensecrf', partial(dense_crf, probs, image, iterations=10)
    ours = partial(dense_crf_many, [probs], image, iterations=10)
    shared = f'shared lattice, {THREADS} threads', partial(ours, threads=THREADS)
    alone = 'shared lattice, 1 thread', ours
    expected = [reference[1]()]
    note = _equality(shared[1](), expected)
    lines = [
        side_by_side(what, reference, shared, reach=2.5, note=note),
        side_by_side(what, reference, alone, note=note),
    ]
    if torch.cuda.is_available():
        on_gpu = 'CUDA', partial(dense_crf_torch, [probs], image, iterations=10)
        lines.append(side_by_side(what, reference, on_gpu, reach=200.0, note=_equality(on_gpu[1](), expected)))
    return lines


def _probabilities(n_classes: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth random fields through a softmax, float32 (C, H, W)."""
    coarse = rng.normal(0, 2, (SIZE // 8, SIZE // 8, n_classes)).astype(np.float32)
    return softmax(cv2.resize(coarse, (SIZE, SIZE)).transpose(2, 0, 1), axis=0)


def _equality(ours: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> str:
    """The largest difference, as a note.

    Raises:
        AssertionError: The difference is larger than allowed.
    """
    most = max(float(np.abs(a - b).max()) for a, b in zip(ours, expected, strict=True))
    same = np.mean([np.mean(a == b) for a, b in zip(ours, expected)])
    wrong = sum(int(((a.argmax(0) != b.argmax(0)) & _apart(b)).sum()) for a, b in zip(ours, expected))
    if most > MOST_APART or wrong:
        raise AssertionError(f'marginals differ by up to {most:.1e}, {wrong} labels of those that are clear')
    labels = sum(int((a.argmax(0) != b.argmax(0)).sum()) for a, b in zip(ours, expected))
    return f'|ΔQ| ≤ {most:.1e}, {100 * same:.2f} % of values equal to the bit, {labels} labels differ'


def _apart(probs: np.ndarray) -> np.ndarray:
    second, first = np.partition(probs, len(probs) - 2, axis=0)[-2:]
    return first - second > 2 * MOST_APART


def _first_calls() -> tuple[float, float]:
    """Seconds of the first call in a process, with nothing compiled yet, and with everything in numba's cache."""
    with tempfile.TemporaryDirectory() as cache:
        return _first_call(cache), _first_call(cache)


def _first_call(cache: str) -> float:
    done = subprocess.run(
        [sys.executable, '-c', FIRST_CALL],
        env={**os.environ, 'NUMBA_CACHE_DIR': cache},
        capture_output=True,
        text=True,
        check=True,
    )
    return round(float(done.stdout.split()[-1]), 2)


if __name__ == '__main__':
    main()
