"""The inner data sets of a data set, and the transforms of its pipeline."""

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
