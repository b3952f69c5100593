"""The kinds of stages: one table, from which every other list of kinds follows.

A stage is a unit of work whose result is kept under its key. To add a kind, say ``distill``:

1. Write its row in :data:`KINDS`, at its place in the order in which a cell's stages run.
2. Write the module ``benchmarks/stages/distill.py`` with ``run(config, folder, parents, device)``, which leaves its
   files in ``folder`` and returns its facts. A kind with ``shares`` also has ``run_together``.
3. Let :mod:`benchmarks.plan.planner` ask for the stage where a stack needs it, with the ingredients of its key.

Then write the digest of the new sources: ``python tests/benchmarks/test_kinds.py``. Keys, records, the scheduler, the
summary, the imports of the stages' server and the accounts of GPU memory read this table.

Nothing here imports the rest of the harness.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of stage.

    Args:
        name: Its name in keys, records and the store, and of its module in ``benchmarks/stages``.
        version: Enters the key of each such stage; raise it when a change of the code changes the stored numbers.
        shares: The work that stages of this kind share when one process computes several in one pass: ``network``
            (stages that differ in views alone run one network) or ``images`` (stages that test on the same images read
            them once). None if each stage runs on its own.
        uses_gpu: Whether it takes memory of the GPU that the grid runs on.
        measures_alone: Whether it measures one stack with nothing else running on the machine. Such a stage belongs to
            a stack; all others belong to a cell.
        keeps_maps: Whether it leaves predicted maps, which may be dropped from its result (``--max-maps``).
        trains: Whether its seconds count as training in a cell's record.
        gives_checkpoint: Whether it leaves a checkpoint to predict with. The last such stage before ``predict`` gives a
            cell's weights.
        reads_maps: Whether it reads the maps of predictions among its parents; otherwise their counts alone.
        without_diverged: Whether it reads those of its parents alone whose trainings did not diverge.
    """

    name: str
    version: int
    shares: str | None = None
    uses_gpu: bool = True
    measures_alone: bool = False
    keeps_maps: bool = False
    trains: bool = False
    gives_checkpoint: bool = False
    reads_maps: bool = True
    without_diverged: bool = False


# In the order in which the stages of a cell run; stages of a stack come last. The scheduler starts late kinds first.
KINDS = (
    Kind('train', version=2, trains=True, gives_checkpoint=True),
    Kind('label', version=2, trains=True),
    Kind('take', version=1, uses_gpu=False, trains=True, gives_checkpoint=True, without_diverged=True),
    Kind('combine', version=1, uses_gpu=False, gives_checkpoint=True),
    Kind('predict', version=5, shares='network', keeps_maps=True),
    Kind('choose', version=1, uses_gpu=False, reads_maps=False, without_diverged=True),
    Kind('select', version=1),
    Kind('refine', version=4, shares='images'),
    Kind('profile', version=5, measures_alone=True),
)
BY_NAME = {kind.name: kind for kind in KINDS}
NAMES = tuple(BY_NAME)
OF_CELLS = tuple(kind.name for kind in KINDS if not kind.measures_alone)
WITH_MAPS = tuple(kind.name for kind in KINDS if kind.keeps_maps)
