"""The inner data sets of a data set, the transforms of its pipeline, and its label of void pixels."""

from typing import Any


def wrapped(dataset: Any) -> list:
    """The data sets directly inside a wrapper: one that is repeated, mixed or paired, or several that are joined."""
    inner = [getattr(dataset, 'dataset', None), *getattr(dataset, 'datasets', [])]
    return [one for one in inner if one is not None]


def transforms_of(dataset: Any) -> list | None:
    """The list of transforms in the pipeline of a data set, not a copy; None without a pipeline.

    In mmseg's MultiImageMixDataset the pipeline is a list, in other data sets a Compose.
    """
    pipeline = getattr(dataset, 'pipeline', None)
    return pipeline if isinstance(pipeline, list) else getattr(pipeline, 'transforms', None)


def void_label(dataset: Any) -> int:
    """The label of void pixels that a data set declares, ``ignore_index``; of a wrapper that of the first one inside.

    A data set that declares none has mmseg's default, 255.
    """
    inner = wrapped(dataset)
    declared = getattr(dataset, 'ignore_index', None)
    return int(declared) if declared is not None else void_label(inner[0]) if inner else 255
