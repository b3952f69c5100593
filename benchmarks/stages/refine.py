"""Stage ``refine``: the refinements of one stack, applied to stored maps; no network runs."""
import time
from pathlib import Path

import numpy as np

from benchmarks.data import list_split
from benchmarks.stages.facts import FactsTable
from benchmarks.stages.maps import read_map
from benchmarks.stages.parents import weights
from benchmarks.stages.progress import Progress
from benchmarks.stages.runner import build_runner, open_inference


def run(config: dict, folder: Path, parents: dict[str, Path], device: str) -> dict:
    """Refine each stored map; leaves ``facts.csv`` in ``folder``.

    Args:
        config: The resolved config.
        folder: The stage's working folder.
        parents: Needs ``predict``, and ``train`` (or ``combine``) for what a refinement may read from the model.
        device: ``cpu`` or ``cuda``.

    Returns:
        Facts, among them ``changed_pixels``: how many labels all refinements together changed. 0 means that they had no
        effect.
    """
    runner = build_runner(config, folder / 'run', weights(parents))
    model = open_inference(runner)
    split = list_split('test', config['test_dataloader']['dataset'])
    dataset = runner.test_dataloader.dataset
    table, progress = FactsTable(split, len(split.classes)), Progress(folder, len(split.images))
    start = time.perf_counter()
    changed = 0
    for index in range(len(dataset)):
        sample = dataset[index]['data_samples']
        q = read_map(parents['predict'], index)
        labels = model.refine(q, sample.img_path)
        changed += int(np.count_nonzero(labels != model.labels(q)))
        table.add(sample.img_path, labels, sample.gt_sem_seg.data[0].numpy())
        progress.advance()
    table.write(folder)
    return dict(seconds=time.perf_counter() - start, images=len(dataset), changed_pixels=changed)
