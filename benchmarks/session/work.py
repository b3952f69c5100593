"""How much each stage of a plan has to do, in pixels: what the estimate of its duration is proportional to."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from benchmarks.files import digest
from benchmarks.kinds import BY_NAME
from benchmarks.plan.batching import batch_key
from benchmarks.plan.plan import Plan, Stage
from benchmarks.record import stack_name
from benchmarks.session.data import Data
from benchmarks.session.estimate import Work
from benchmarks.stacks.several_networks import SEARCH
from benchmarks.stacks.tree import mappings

# From the config of a data set to its number of images and the pixels of a typical one.
Extent = Callable[[Mapping[str, Any]], tuple[int, float]]


def unknown_extent(dataset: Mapping[str, Any]) -> tuple[int, float]:
    """The extent where no data set has been listed: steps and views alone then tell stages apart."""
    return 1, 1.0


def extent_in(data: Data) -> Extent:
    """The extents of a grid's data sets; every image is taken to be as large as the test images are on average."""
    number = len(data.test.split.images)
    typical = data.test.pixels / number if number and data.test.pixels else 1.0

    def extent(dataset: Mapping[str, Any]) -> tuple[int, float]:
        known = data.by_config.get(digest(dataset))
        return (len(known.split.images) if known else number), typical

    return extent


def work_of(plan: Plan, extent: Extent = unknown_extent) -> dict[str, Work]:
    """The work of every stage of a plan, by its key.

    Predictions that share a pass share its work: the pass runs every distinct view of them once.
    """
    batches: dict[str, list[Stage]] = defaultdict(list)
    for stage in plan.stages.values():
        if stage.kind == 'predict':
            batches[batch_key(stage) or stage.key].append(stage)
    shared = {stage.key: _passes(members) / len(members) for members in batches.values() for stage in members}
    return {
        key: Work(
            stage.kind,
            _alike(stage),
            _amount(stage, shared, extent),
            BY_NAME[stage.kind].measures_alone,
            _image(stage, extent) if BY_NAME[stage.kind].measures_alone else 0.0,
        )
        for key, stage in plan.stages.items()
    }


def _alike(stage: Stage) -> str:
    return f'{stack_name(stage.stack)} {stage.role}'.strip()


def _amount(stage: Stage, shared_passes: Mapping[str, float], extent: Extent) -> float:
    if stage.kind == 'train':
        return _training(stage.config, extent)
    if stage.kind in ('predict', 'refine', 'label', 'select'):
        number, pixels = extent(_dataset(stage.config, 'test_dataloader'))
        return number * pixels * shared_passes.get(stage.key, 1.0) * _trials(stage.config)
    return 1.0


def _trials(config: Mapping[str, Any]) -> int:
    """How often a stage goes through its images: once for each trial of a choice."""
    search = config.get(SEARCH)
    return sum(map(len, search['trials'].values())) if search else 1


def _image(stage: Stage, extent: Extent) -> float:
    """Pixels of one test image, once for each view."""
    _, pixels = extent(_dataset(stage.config, 'test_dataloader'))
    return pixels * _passes([stage])


def _training(config: Mapping[str, Any], extent: Extent) -> float:
    """Pixels that a training sees: steps × samples per step × pixels of a sample."""
    loop, loader = config.get('train_cfg') or {}, config.get('train_dataloader') or {}
    dataset = _dataset(config, 'train_dataloader')
    number, pixels = extent(dataset)
    batch = loader.get('batch_size') or 1
    steps = loop.get('max_iters') or (loop.get('max_epochs') or 1) * max(number // batch, 1)
    crops = list(_crops(dataset))
    return steps * batch * (min(crops) if crops else pixels)


def _dataset(config: Mapping[str, Any], loader: str) -> Mapping[str, Any]:
    value = config.get(loader)
    dataset = value.get('dataset') if isinstance(value, Mapping) else None
    return dataset if isinstance(dataset, Mapping) else {}


def _crops(dataset: Mapping[str, Any]) -> Iterator[float]:
    """The areas of all crops in a data set's pipelines."""
    for node in mappings(dataset):
        size = node.get('crop_size')
        if isinstance(size, (list, tuple)) and len(size) == 2 and all(isinstance(side, (int, float)) for side in size):
            yield float(size[0] * size[1])


def _passes(stages: list[Stage]) -> int:
    """How many distinct views go through the network when these stages share a pass; the image itself is one."""
    views = {
        digest(view) for stage in stages for view in ((stage.config.get('inference') or {}).get('views') or {}).values()
    }
    return 1 + len(views)
