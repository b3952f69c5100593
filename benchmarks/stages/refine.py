"""Stage ``refine``: the refinements of one stack, applied to stored maps; no network runs."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.data.split import list_split
from benchmarks.probes.memory import CudaPeak
from benchmarks.probes.truth import Truth
from benchmarks.stages.facts import FactsTable
from benchmarks.stages.maps import read_map
from benchmarks.stages.parents import weights
from benchmarks.stages.progress import Progress
from benchmarks.stages.runner import build_runner, open_inference

# Probabilities that are refined at once: of large images fewer maps, so that memory does not grow with the stages.
MOST_VALUES = 2**27


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
    (facts,) = run_together([config], [folder], [parents], device)
    return facts


def run_together(
    configs: Sequence[dict], folders: Sequence[Path], parents: Sequence[dict[str, Path]], device: str
) -> list[dict]:
    """Refine the maps of several stages in one pass: each image is decoded, and its annotation measured, once.

    Args:
        configs: Resolved configs that test on the same images.
        folders: The working folder of each.
        parents: As for :func:`run`, of each.
        device: ``cpu`` or ``cuda``.

    Returns:
        The facts of each; ``seconds`` and memory are those of the whole pass, which ``stacks_in_pass`` share.
    """
    runners = [
        build_runner(config, folder / 'run', weights(own))
        for config, folder, own in zip(configs, folders, parents, strict=True)
    ]
    models = [open_inference(runner) for runner in runners]
    split = list_split('test', configs[0]['test_dataloader']['dataset'])
    dataset = runners[0].test_dataloader.dataset
    tables = [FactsTable(split, len(split.classes)) for _ in folders]
    progress = [Progress(folder, len(split.images)) for folder in folders]
    changed = [0] * len(folders)
    start = time.perf_counter()
    with CudaPeak(device) as cuda:
        for index in range(len(dataset)):
            sample = dataset[index]['data_samples']
            annotation = sample.gt_sem_seg.data[0].numpy()
            truth = Truth(annotation, len(split.classes), split.ignore_index)
            for group in groups(len(models), len(split.classes) * annotation.size):
                stored = {parents[n]['predict']: read_map(parents[n]['predict'], index) for n in group}
                maps = [stored[parents[n]['predict']] for n in group]
                refined = models[0].refine_all([models[n] for n in group], maps, sample.img_path)
                for n, q, labels in zip(group, maps, refined):
                    changed[n] += int(np.count_nonzero(labels != models[n].labels(q)))
                    tables[n].add(sample.img_path, labels, truth)
                    progress[n].advance()
    for table, folder in zip(tables, folders):
        table.write(folder)
    seconds = time.perf_counter() - start
    return [
        dict(
            seconds=seconds,
            images=len(dataset),
            changed_pixels=count,
            stacks_in_pass=len(configs),
            peak_reserved_mib=cuda.reserved_mib,
        )
        for count in changed
    ]


def groups(number: int, values: int) -> list[range]:
    """Which of so many maps, each of so many values, are refined at once: neighbours, and at least one."""
    size = max(1, MOST_VALUES // values)
    return [range(start, min(start + size, number)) for start in range(0, number, size)]
