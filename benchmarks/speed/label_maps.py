"""Label maps for measurements: an annotation with void, and predictions with the errors of a network."""

import cv2
import numpy as np

VOID = 255
_SPECKS = 0.0002


def label_maps(
    shape: tuple[int, int], num_classes: int, predictions: int, *, seed: int = 0
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Draw an annotation and predictions of it.

    Labels are the most likely class of smooth random fields. Predictions use disturbed fields, and have specks.

    Args:
        shape: (H, W).
        num_classes: C.
        predictions: How many predictions.
        seed: The seed of the generator.

    Returns:
        The annotation, uint8 (H, W), whose uppermost twentieth is void, and the predictions, uint8 (H, W) each.
    """
    rng = np.random.default_rng(seed)
    truth = _fields(rng, shape, num_classes)
    drawn = [(truth + 0.2 * _fields(rng, shape, num_classes)).argmax(0).astype(np.uint8) for _ in range(predictions)]
    for labels in drawn:
        speck = rng.random(shape) < _SPECKS
        labels[speck] = rng.integers(0, num_classes, speck.sum())
    annotation = truth.argmax(0).astype(np.uint8)
    annotation[: shape[0] // 20] = VOID
    return annotation, drawn


def _fields(rng: np.random.Generator, shape: tuple[int, int], count: int) -> np.ndarray:
    return np.stack(
        [
            cv2.resize(rng.standard_normal((10, 16)).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
            for _ in range(count)
        ]
    )
