"""Confusion counts of one image: the integers that every overlap score is derived from."""
import cv2
import numpy as np

# cv2.calcHist returns float32, which holds every integer up to 2**24 and not the one after.
_EXACT_PIXELS = 2**24


def confusion(pred: np.ndarray, target: np.ndarray, num_classes: int, ignore_index: int = 255) -> np.ndarray:
    """Count the pixels of every (true class, predicted class) pair.

    ``counts[t, p] = |{i : target_i = t and pred_i = p}|`` over the pixels with ``target_i != ignore_index``. The counts
    are exact whatever the number of pixels.

    Args:
        pred (np.ndarray): Predicted labels, integers in [0, num_classes) at every pixel, void or not. Any shape.
        target (np.ndarray): True labels, integers in [0, num_classes) or ``ignore_index``. Same shape as ``pred``.
        num_classes (int): C.
        ignore_index (int): Label of the void pixels in ``target``. It may be a class, which then is not evaluated, or
            a number that never occurs (-1), so that every pixel counts.

    Returns:
        np.ndarray: int64 (C, C), rows = target, columns = prediction.

    Raises:
        ValueError: The shapes differ, or a label is out of range; the message names it.
        TypeError: An array holds something else than integers.
    """
    pred, target = _labels(pred, 'pred'), _labels(target, 'target')
    if pred.shape != target.shape:
        raise ValueError(f'pred has the shape {pred.shape} and target {target.shape}; resize the prediction to the '
                         'annotation before counting')
    pred, target = pred.reshape(-1), target.reshape(-1)
    if num_classes <= 256 and pred.dtype == target.dtype == np.uint8:
        pairs = _pairs_of_bytes(pred, target)
        _refuse_beyond(num_classes, 'pred', np.flatnonzero(pairs.any(axis=0)))
        seen = np.flatnonzero(pairs.any(axis=1))
        _refuse_beyond(num_classes, 'target', seen[seen != ignore_index], ignore_index)
        if 0 <= ignore_index < 256:
            pairs[ignore_index] = 0
        return pairs[:num_classes, :num_classes].copy()
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


def _labels(labels: np.ndarray, name: str) -> np.ndarray:
    """Return the labels as contiguous bytes where they fit into bytes, as int64 otherwise."""
    labels = np.ascontiguousarray(labels)
    if labels.dtype.kind not in 'bui':
        raise TypeError(f'{name} holds {labels.dtype}; class labels must be integers (take the argmax of scores first)')
    if labels.dtype == np.uint8:
        return labels
    if labels.size == 0 or (labels.min() >= 0 and labels.max() <= 255):
        return labels.astype(np.uint8)
    return labels.astype(np.int64)


def _pairs_of_bytes(pred: np.ndarray, target: np.ndarray) -> np.ndarray:
    # All 256 × 256 pairs are counted, so that labels out of range show up in the counts without a pass of their own.
    pairs = np.zeros((256, 256), np.int64)
    for start in range(0, pred.size, _EXACT_PIXELS):
        block = slice(start, start + _EXACT_PIXELS)
        counts = cv2.calcHist([target[block], pred[block]], [0, 1], None, [256, 256], [0, 256, 0, 256])
        pairs += counts.astype(np.int64)
    return pairs


def _pairs_of_integers(pred: np.ndarray, target: np.ndarray, num_classes: int, ignore_index: int) -> np.ndarray:
    _refuse_beyond(num_classes, 'pred', pred)
    counted = target != ignore_index
    pred, target = pred[counted].astype(np.int64), target[counted].astype(np.int64)
    _refuse_beyond(num_classes, 'target', target, ignore_index)
    pairs = np.bincount(target * num_classes + pred, minlength=num_classes**2)
    return pairs.reshape(num_classes, num_classes).astype(np.int64, copy=False)


def _refuse_beyond(num_classes: int, name: str, labels: np.ndarray, ignore_index: int | None = None) -> None:
    beyond = labels[(labels < 0) | (labels >= num_classes)]
    if beyond.size == 0:
        return
    named = ', '.join(str(label) for label in np.unique(beyond)[:5])
    allowed = f'0 to {num_classes - 1}' + ('' if ignore_index is None else f' and {ignore_index} for void')
    raise ValueError(f'{name} holds the label {named}, allowed are {allowed}; correct num_classes, ignore_index or the '
                     'label mapping of the data set (reduce_zero_label)')
