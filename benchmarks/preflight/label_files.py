"""Can a student read its teacher's labels? They are 8-bit PNG files, and a mask loader of one's own may read others."""

import copy
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data.own_loading import own_steps
from benchmarks.data.split import data_infos
from benchmarks.errors import BadInput
from benchmarks.stacks.several_networks import LABEL_DIR, has_teacher, unlabelled

SIZE = (8, 8)  # of a label file while the size of the image is not known


def check_label_files(config: dict, baseline: dict, origin: str) -> None:
    """Let the loading steps of a student's training pipeline read a label file, before a teacher is trained for it.

    mmseg's own loaders read such files; only a pipeline with further loading steps is tried.

    Args:
        config: The resolved config of one training.
        baseline: The baseline's config.
        origin: The name of the config in messages.

    Raises:
        BadInput: The steps cannot read the file, or load other labels than it holds; names the step.
    """
    steps = own_steps(config['train_dataloader']['dataset']) if has_teacher(config) else []
    if not steps:
        return
    with tempfile.TemporaryDirectory(prefix='labels_') as folder:
        info = data_infos('unlabelled', {**unlabelled(config, baseline), LABEL_DIR: folder})[0]
        _check_steps(steps, {**info, 'label_map': None, 'seg_fields': []}, origin)


def _check_steps(steps: list, results: dict, origin: str) -> None:
    from mmengine.registry import DefaultScope
    from mmseg.registry import TRANSFORMS

    ending, wanted = os.path.splitext(results['seg_map_path'])[1], _write(results, SIZE)
    for step in steps:
        name = step['type'] if isinstance(step['type'], str) else step['type'].__name__
        place = f"{origin}: '{name}' in the training pipeline cannot read a teacher's labels"
        cure = (
            f"label files ({ending}) hold the indices of classes: let the step leave them as mmseg's LoadAnnotations "
            'loads them, or take the technique out of the grid'
        )
        if 'img' in results and 'gt_seg_map' not in results:
            wanted = _write(results, results['img'].shape[:2])
        try:
            with DefaultScope.overwrite_default_scope('mmseg'):
                results = TRANSFORMS.build(copy.deepcopy(step))(results)
        except Exception as error:
            raise BadInput(f'{place} ({type(error).__name__}: {error}); {cure}') from error
        loaded = results.get('gt_seg_map')
        if loaded is not None and not np.array_equal(loaded, wanted):
            raise BadInput(
                f'{place}: it makes the labels {_some(loaded)} of the classes {_some(wanted)}, with the shape '
                f'{loaded.shape}; {cure}'
            )


def _write(info: dict, size: tuple[int, int]) -> np.ndarray:
    """Write a label file as a teacher does, with the classes 0 and 1; the labels that a student shall see (H, W)."""
    from benchmarks.stages.label import write_labels

    classes = np.indices(size).sum(axis=0).astype(np.uint8) % 2
    write_labels(Path(info['seg_map_path']), classes + np.uint8(bool(info.get('reduce_zero_label'))))
    return classes


def _some(labels: Any) -> list[int]:
    return np.unique(labels)[:5].tolist()
