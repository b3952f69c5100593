"""Stage ``refine``: applies the refinements of a stack to its stored maps; no network runs."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.data.split import list_split
from benchmarks.probes.memory import CudaPeak
from benchmarks.probes.true_strata import confidence_of
from benchmarks.probes.truth import Truth
from benchmarks.stages.chosen import with_chosen
from benchmarks.stages.contracts import InferenceModel
from benchmarks.stages.facts import FactsTable
from benchmarks.stages.maps import read_map
from benchmarks.stages.parents import weights
from benchmarks.stages.process_state import generator_states, refuse_changed_state, refuse_draws, runner_flags
from benchmarks.stages.progress import Progress
from benchmarks.stages.runner import build_runner, open_inference
from benchmarks.stages.strata import StrataTable

# The most probabilities that are refined at once. Of large images fewer maps go together, which bounds the memory.
MOST_VALUES = 2**27


def run(config: dict, folder: Path, parents: dict[str, Path], device: str) -> dict:
    """Refine each stored map; leaves ``facts.csv`` and ``strata.csv`` in ``folder``.

    Args:
        config: The resolved config.
        folder: The stage's working folder.
        parents: Needs ``predict``, and ``train`` or ``combine``: a refinement may read the model. With ``choose``
            and ``select`` the values that they have chosen take the place of the config's.
        device: ``cpu`` or ``cuda``.

    Returns:
        Facts, among them ``changed_pixels``: the number of labels that all refinements together changed. 0 means that
        they had no effect.
    """
    (facts,) = run_together([config], [folder], [parents], device)
    return facts


def run_together(
    configs: Sequence[dict], folders: Sequence[Path], parents: Sequence[dict[str, Path]], device: str
) -> list[dict]:
    """Refine the maps of several stages in one pass: each image is decoded, and its annotation measured, once.

    Args:
        configs: Resolved configs that test on the same images.
        folders: The working folder of each config.
        parents: As for :func:`run`, for each config.
        device: ``cpu`` or ``cuda``.

    Returns:
        The facts for each config. ``seconds`` and memory are those of the whole pass; ``stacks_in_pass`` is the number
        of configs in it.
    """
    runners = [
        build_runner(with_chosen(config, roles), folder / 'run', weights(roles))
        for config, folder, roles in zip(configs, folders, parents, strict=True)
    ]
    models: list[InferenceModel] = [open_inference(runners[0])]
    flags = runner_flags()  # those that hooks set are set by now, in the same way for all
    models += [open_inference(runner) for runner in runners[1:]]
    split = list_split('test', configs[0]['test_dataloader']['dataset'])
    dataset = runners[0].test_dataloader.dataset
    tables = [FactsTable(split, len(split.classes)) for _ in folders]
    strata = [StrataTable(split) for _ in folders]
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
                generators = generator_states() if len(configs) > 1 else {}
                refined = models[0].refine_all([models[n] for n in group], maps, sample.img_path)
                refuse_draws(generators)
                for n, quantised_map, labels in zip(group, maps, refined):
                    unrefined = models[n].labels(quantised_map)
                    changed[n] += int(np.count_nonzero(labels != unrefined))
                    tables[n].add(sample.img_path, labels, truth)
                    strata[n].add(sample.img_path, labels, confidence_of(quantised_map, unrefined), truth)
                    progress[n].advance()
    if len(configs) > 1:
        refuse_changed_state(flags, runner_flags)
    for table, of_strata, folder in zip(tables, strata, folders):
        table.write(folder)
        of_strata.write(folder)
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
    """Split maps into groups that are refined at once.

    Args:
        number: The number of maps.
        values: The number of probabilities in each map.

    Returns:
        Ranges of neighbouring maps, each of at least one map.

    Example:
        >>> groups(5, MOST_VALUES // 2)
        [range(0, 2), range(2, 4), range(4, 5)]
    """
    size = max(1, MOST_VALUES // values)
    return [range(start, min(start + size, number)) for start in range(0, number, size)]
