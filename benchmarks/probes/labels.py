"""The form of label maps that the probes measure, and the errors for maps that they refuse."""

import numpy as np

from benchmarks.probes.compiled import compiled


def as_bytes(labels: np.ndarray, name: str) -> np.ndarray:
    """Return the labels as contiguous bytes if they fit into bytes, as int64 otherwise.

    Args:
        labels (np.ndarray): Integers of any kind and shape.
        name (str): Name of the labels in an error message.

    Returns:
        np.ndarray: uint8 or int64, of the same shape; the input itself if it has that form already.

    Raises:
        TypeError: The array does not hold integers.
    """
    labels = np.ascontiguousarray(labels)
    if labels.dtype.kind not in 'bui':
        raise TypeError(f'{name} holds {labels.dtype}; class labels must be integers (take the argmax of scores first)')
    if labels.dtype.itemsize == 1 and labels.dtype != np.int8:
        return labels.view(np.uint8)
    narrow = np.empty(labels.shape, np.uint8)
    fit = _narrowed(labels.reshape(-1).astype(np.int64, copy=False), narrow.reshape(-1))
    return narrow if fit else labels.astype(np.int64)


def refuse_other_than_2d(labels: np.ndarray, name: str) -> None:
    """Refuse a map that is not one image.

    Raises:
        ValueError: The map is not two-dimensional.
    """
    if np.ndim(labels) != 2:
        raise ValueError(f'{name} has the shape {np.shape(labels)}; contours are measured on one image (H, W)')


def refuse_other_shape(pred: np.ndarray, target: np.ndarray) -> None:
    """Refuse maps of different shapes.

    Raises:
        ValueError: The shapes differ.
    """
    if pred.shape != target.shape:
        raise ValueError(
            f'pred has the shape {pred.shape} and target {target.shape}; resize the prediction to the '
            'annotation before counting'
        )


def refuse_beyond(num_classes: int, labels: np.ndarray, name: str, ignore_index: int | None = None) -> None:
    """Refuse labels that are out of range.

    Args:
        num_classes (int): Labels are in [0, num_classes).
        labels (np.ndarray): Integers of any shape.
        name (str): Name of the labels in the error message.
        ignore_index (int | None): A further label that is allowed.

    Raises:
        ValueError: A label is out of range; the message names it.
    """
    beyond = labels[(labels < 0) | (labels >= num_classes)]
    beyond = beyond[beyond != ignore_index] if ignore_index is not None else beyond
    if beyond.size == 0:
        return
    named = ', '.join(str(label) for label in np.unique(beyond)[:5])
    allowed = f'0 to {num_classes - 1}' + ('' if ignore_index is None else f' and {ignore_index} for void')
    raise ValueError(
        f'{name} holds the label {named}, allowed are {allowed}; correct num_classes, ignore_index or the '
        'label mapping of the data set (reduce_zero_label)'
    )


@compiled
def _narrowed(labels, narrow):
    beyond = 0
    for i in range(len(labels)):
        narrow[i] = labels[i] & 255
        beyond |= labels[i] & ~255
    return beyond == 0
