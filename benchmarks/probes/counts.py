"""Confusion counts of one image. Every overlap score is derived from these integers."""

import numpy as np

from benchmarks.probes.compiled import compiled
from benchmarks.probes.labels import as_bytes, refuse_beyond, refuse_other_shape

# Eight labels are compared at once, as one word: a word of eight equal bytes is its first byte times this number.
_EACH_BYTE = np.uint64(0x0101010101010101)
_FIRST_BYTE = np.uint64(0xFF)


def confusion(pred: np.ndarray, target: np.ndarray, num_classes: int, ignore_index: int = 255) -> np.ndarray:
    """Count the pixels of every (true class, predicted class) pair.

    ``counts[t, p] = |{i : target_i = t and pred_i = p}|`` over the pixels with ``target_i != ignore_index``. The counts
    are exact for any number of pixels.

    Args:
        pred (np.ndarray): Predicted labels, integers in [0, num_classes) at every pixel, void or not. Any shape.
        target (np.ndarray): True labels, integers in [0, num_classes) or ``ignore_index``. Same shape as ``pred``.
        num_classes (int): C.
        ignore_index (int): Label of the void pixels in ``target``. It may be a class, which then is not evaluated, or
            a number that never occurs (-1): then every pixel counts.

    Returns:
        np.ndarray: int64 (C, C), rows = target, columns = prediction.

    Raises:
        ValueError: The shapes differ, or a label is out of range; the message names it.
        TypeError: An array does not hold integers.
    """
    pred, target = as_bytes(pred, 'pred'), as_bytes(target, 'target')
    refuse_other_shape(pred, target)
    pred, target = pred.reshape(-1), target.reshape(-1)
    if num_classes <= 256 and pred.dtype == target.dtype == np.uint8:
        pairs = _pairs_of_bytes(pred, target, num_classes, ignore_index)
        if pairs is not None:
            return pairs  # otherwise a label is out of range; the general way says which
    return _pairs_of_integers(pred, target, num_classes, ignore_index)


def class_counts(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reduce a confusion matrix to true positives, false positives and false negatives per class.

    Args:
        confusion (np.ndarray): Integers (..., C, C), rows = target.

    Returns:
        tuple[np.ndarray, np.ndarray, np.ndarray]: tp, fp, fn, each int64 (..., C). All three are 0 for a class that
        is absent from both maps.
    """
    tp = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.int64)
    fp = confusion.sum(axis=-2, dtype=np.int64) - tp
    fn = confusion.sum(axis=-1, dtype=np.int64) - tp
    return tp, fp, fn


def _pairs_of_bytes(pred: np.ndarray, target: np.ndarray, num_classes: int, ignore_index: int) -> np.ndarray | None:
    """The counts, or None when a label is out of range."""
    columns = num_classes + 1  # the classes, and one for labels that are out of range
    column_of = np.full(256, num_classes, np.uintp)
    row_of = np.full(256, num_classes + 1, np.uintp)
    column_of[:num_classes] = row_of[:num_classes] = np.arange(num_classes)
    if 0 <= ignore_index < 256:
        row_of[ignore_index] = num_classes  # void has a row of its own, like labels out of range
    pairs = np.zeros((2, num_classes + 2, columns), np.int64)
    words = pred.size // 8
    _count(
        pred,
        target,
        pred[: 8 * words].view(np.uint64),
        target[: 8 * words].view(np.uint64),
        column_of,
        row_of * np.uintp(columns),
        pairs.reshape(2, -1),
    )
    pairs = pairs.sum(axis=0)
    if pairs[:, num_classes].any() or pairs[num_classes + 1].any():
        return None
    return pairs[:num_classes, :num_classes].copy()


@compiled
def _count(pred, target, pred_words, target_words, column_of, first_of_row, pairs):
    # Two tables in turn: a count need not wait until the previous count is written.
    for word in range(len(pred_words)):
        p, t = pred_words[word], target_words[word]
        if p == (p & _FIRST_BYTE) * _EACH_BYTE and t == (t & _FIRST_BYTE) * _EACH_BYTE:
            pairs[word % 2, first_of_row[t & _FIRST_BYTE] + column_of[p & _FIRST_BYTE]] += 8
        else:
            for i in range(8 * word, 8 * word + 8):
                pairs[i % 2, first_of_row[target[i]] + column_of[pred[i]]] += 1
    for i in range(8 * len(pred_words), len(pred)):
        pairs[0, first_of_row[target[i]] + column_of[pred[i]]] += 1


def _pairs_of_integers(pred: np.ndarray, target: np.ndarray, num_classes: int, ignore_index: int) -> np.ndarray:
    refuse_beyond(num_classes, pred, 'pred')
    refuse_beyond(num_classes, target, 'target', ignore_index)
    counted = target != ignore_index
    pred, target = pred[counted].astype(np.int64), target[counted].astype(np.int64)
    pairs = np.bincount(target * num_classes + pred, minlength=num_classes**2)
    return pairs.reshape(num_classes, num_classes).astype(np.int64, copy=False)
