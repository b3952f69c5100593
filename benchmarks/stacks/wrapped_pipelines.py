"""Changes of the pipeline of a data set that the baseline has wrapped.

A technique changes ``train_dataloader.dataset.pipeline``. Where the baseline wraps its data set, in mmseg's
``RepeatDataset`` for example, that pipeline stands one level further down, in the ``dataset`` of the wrapper. A wrapper
that has a pipeline of its own, such as ``MultiImageMixDataset``, keeps the change.
"""

from typing import Any

from benchmarks.stacks.marks import MARKS

DATALOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
DATASET, PIPELINE = 'dataset', 'pipeline'


def inside_wrappers(overlay: dict, base: dict) -> dict:
    """``overlay`` with its changes of pipelines where ``base`` has these pipelines. Neither is changed.

    An overlay whose changes were moved already is returned as it is, so that they may be moved before clashes are
    looked for, and again where overlays are applied.

    Args:
        overlay: An overlay, written for a data set without a wrapper.
        base: A config.
    """
    for loader in DATALOADERS:
        change, there = _dataset_of(overlay.get(loader)), _dataset_of(base.get(loader))
        if change is not None and there is not None:
            overlay = {**overlay, loader: {**overlay[loader], DATASET: _moved_inside(change, there)}}
    return overlay


def _dataset_of(loader: Any) -> dict | None:
    dataset = loader.get(DATASET) if isinstance(loader, dict) else None
    return dataset if isinstance(dataset, dict) else None


def _moved_inside(change: dict, there: dict) -> dict:
    """A change of a data set, whose part for the pipeline is moved to the first data set inside that has one."""
    inner = there.get(DATASET)
    # A change that replaces or wraps the data set, or names a type or what lies inside, means the place that it says.
    as_written = PIPELINE not in change or change.keys() & {'type', DATASET, *MARKS}
    if as_written or PIPELINE in there or not isinstance(inner, dict):
        return change
    rest = {key: value for key, value in change.items() if key != PIPELINE}
    return {**rest, DATASET: _moved_inside({PIPELINE: change[PIPELINE]}, inner)}
