"""A trial as it is sent to another process, and what comes back; imports neither torch nor mmseg."""

from dataclasses import dataclass

from benchmarks.preflight.image_choice import ChosenImage
from benchmarks.stacks.technique import Technique


@dataclass(frozen=True)
class Attempt:
    """What to try; plain values only, so that it can be sent anywhere.

    Args:
        training: Whether it is one step of a training; otherwise it is an inference.
        config: The resolved config.
        techniques: The techniques of the stack.
        images: The images to use.
        num_classes: The number of the data set's classes.
        ignore_index: The label of void pixels.
        folder: An existing folder for files.
    """

    training: bool
    config: dict
    techniques: list[Technique]
    images: list[ChosenImage]
    num_classes: int
    ignore_index: int
    folder: str


@dataclass(frozen=True)
class Fault:
    """Why an attempt failed.

    Args:
        text: The culprit, the error and the cure.
        image: The index of the test image on which it failed; None if no image is to blame.
    """

    text: str
    image: int | None = None


@dataclass(frozen=True)
class Unshown:
    """An attempt that shows neither that it works nor that it fails.

    Args:
        reason: A verb phrase.
    """

    reason: str
