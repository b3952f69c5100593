"""What data sets are made of: those that they wrap, and the transforms of their own pipeline."""

from typing import Any


def wrapped(dataset: Any) -> list:
    """The data sets right inside a data set: one that is repeated, mixed or paired, or several that are joined."""
    inner = [getattr(dataset, 'dataset', None), *getattr(dataset, 'datasets', [])]
    return [one for one in inner if one is not None]


def transforms_of(dataset: Any) -> list | None:
    """The list of transforms in a data set's pipeline, to be read or changed; None for one without a pipeline.

    mmseg's MultiImageMixDataset keeps a plain list where other data sets have a Compose.
    """
    pipeline = getattr(dataset, 'pipeline', None)
    return pipeline if isinstance(pipeline, list) else getattr(pipeline, 'transforms', None)
