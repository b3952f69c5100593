"""Stage ``label``: a teacher's labels of the images that a student shall learn from without their true masks."""

import time
from pathlib import Path

import numpy as np
from mmengine.dataset import pseudo_collate
from mmengine.runner import autocast
from PIL import Image

from benchmarks.probes.memory import CudaPeak
from benchmarks.stacks.several_networks import TEACHER, in_label_dir
from benchmarks.stages.maps import SCALE
from benchmarks.stages.parents import LABELS, weights
from benchmarks.stages.progress import Progress
from benchmarks.stages.runner import build_runner, open_inference

VOID = 255


def run(config: dict, folder: Path, parents: dict[str, Path], device: str) -> dict:
    """Label each image of the config's test data, which are training images; leaves ``labels/`` in ``folder``.

    A pixel gets the label of its most likely class if that has the teacher's confidence, and 255 otherwise. Where each
    label file belongs, the data set says: in its ``seg_map_path``.

    Args:
        config: The config that the teacher labels with.
        folder: The stage's working folder.
        parents: Needs ``train``, the teacher.
        device: ``cpu`` or ``cuda``.

    Returns:
        Facts, among them the share of the pixels that got a label.

    Raises:
        ValueError: No pixel got one.
    """
    runner = build_runner(in_label_dir(config, str(folder / LABELS)), folder / 'run', weights(parents))
    model, dataset = open_inference(runner), runner.test_dataloader.dataset
    progress = Progress(folder, len(dataset))
    start = time.perf_counter()
    labelled = pixels = 0
    with CudaPeak(device) as cuda:
        for index in range(len(dataset)):
            with autocast(enabled=runner.test_loop.fp16):
                (q,) = model.merged_maps(pseudo_collate([dataset[index]]))
            info = dataset.get_data_info(index)
            labels, sure = model.labels(q), _confidence(q) >= config[TEACHER]['confidence']
            _write(Path(info['seg_map_path']), labels, sure, shifted=bool(info.get('reduce_zero_label')))
            labelled, pixels = labelled + int(np.count_nonzero(sure)), pixels + sure.size
            progress.advance()
    if not labelled:
        raise ValueError(
            f'the teacher is sure of no pixel: none of its probabilities reaches {TEACHER}.confidence='
            f'{config[TEACHER]["confidence"]}; lower it, or train the teacher longer'
        )
    return dict(
        seconds=time.perf_counter() - start,
        images=len(dataset),
        labelled_share=labelled / pixels,
        acted=dict(pixels=labelled),
        peak_reserved_mib=cuda.reserved_mib,
    )


def _confidence(q: np.ndarray) -> np.ndarray:
    """The probability of the most likely class (H, W); of one channel that of the likelier of the two sides."""
    top = q.max(axis=0) if len(q) > 1 else np.maximum(q[0], SCALE - q[0])
    return top.astype(np.float32) / np.float32(SCALE)


def _write(path: Path, labels: np.ndarray, sure: np.ndarray, *, shifted: bool) -> None:
    """Write a label file; ``shifted`` for a data set that takes 1 off each label when it loads a mask (0 is void)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = labels.astype(np.uint8) + np.uint8(shifted)
    Image.fromarray(np.where(sure, labels, np.uint8(VOID))).save(path)
