"""Stage ``label``: a teacher's pseudo-labels for the images whose true masks the student must not see."""

import time
from pathlib import Path

import numpy as np
from mmengine.dataset import pseudo_collate
from mmengine.runner import autocast
from PIL import Image

from benchmarks.data.split import list_split
from benchmarks.probes.memory import CudaPeak
from benchmarks.stacks.several_networks import TEACHER, in_label_dir
from benchmarks.stages.contracts import ImageDataset, InferenceModel
from benchmarks.stages.maps import SCALE
from benchmarks.stages.parents import LABELS, weights
from benchmarks.stages.progress import Progress
from benchmarks.stages.runner import build_runner, open_inference


def run(config: dict, folder: Path, parents: dict[str, Path], device: str) -> dict:
    """Label each image of the config's test data, which are training images; leaves ``labels/`` in ``folder``.

    A pixel gets the label of its most likely class if the class's probability reaches ``teacher.confidence``, otherwise
    the data set's label of void pixels. The data set gives the place of each label file, ``seg_map_path``.

    Args:
        config: The config that the teacher labels with.
        folder: The stage's working folder.
        parents: Needs ``train``, the teacher.
        device: ``cpu`` or ``cuda``.

    Returns:
        Facts, among them the share of labelled pixels.

    Raises:
        ValueError: No pixel got a label.
    """
    labelling = in_label_dir(config, str(folder / LABELS))
    void = list_split('unlabelled', labelling['test_dataloader']['dataset']).ignore_index
    runner = build_runner(labelling, folder / 'run', weights(parents))
    model: InferenceModel = open_inference(runner)
    dataset: ImageDataset = runner.test_dataloader.dataset
    progress = Progress(folder, len(dataset))
    start = time.perf_counter()
    labelled = pixels = 0
    with CudaPeak(device) as cuda:
        for index in range(len(dataset)):
            with autocast(enabled=runner.test_loop.fp16):
                (quantised_map,) = model.merged_maps(pseudo_collate([dataset[index]]))
            info = dataset.get_data_info(index)
            labels, sure = model.labels(quantised_map), _confidence(quantised_map) >= config[TEACHER]['confidence']
            labels = labels.astype(np.uint8) + np.uint8(bool(info.get('reduce_zero_label')))  # loading subtracts 1
            write_labels(Path(info['seg_map_path']), np.where(sure, labels, np.uint8(void)))
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


def _confidence(quantised_map: np.ndarray) -> np.ndarray:
    """The probability of the most likely class (H, W); a single channel x stands for the classes x and 1 - x."""
    several = len(quantised_map) > 1
    top = quantised_map.max(axis=0) if several else np.maximum(quantised_map[0], SCALE - quantised_map[0])
    return top.astype(np.float32) / np.float32(SCALE)


def write_labels(path: Path, labels: np.ndarray) -> None:
    """Write labels uint8 (H, W) as an 8-bit PNG with one channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(path)
