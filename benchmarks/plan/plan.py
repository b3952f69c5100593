"""The plan of a grid: its cells, and the distinct stages that they need."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from benchmarks.kinds import BY_NAME
from benchmarks.plan.layout import Comparison
from benchmarks.record import cell_name, stack_name
from benchmarks.stacks.technique import Stack

Step = tuple[str, str]  # (kind, key) of a stage
TRAINED = ('train', 'take')  # kinds that give the weights of a single training


@dataclass(frozen=True, slots=True)
class Stage:
    """A unit of work whose result is kept under its key.

    Args:
        kind: One of :data:`benchmarks.kinds.KINDS`.
        key: Hash of ``ingredients``.
        stack: The stack that asks for the stage first.
        seed: The seed of the cell that asks for it first; None for a stage that measures a stack.
        role: Which of the stack's networks it is about, where there are several: ``member 2``, ``teacher``,
            ``member 2 teacher``.
        config: The resolved config that it runs.
        parents: (kind, key) of the stages whose results it reads.
        ingredients: The named parts of the key.
        configs: For a stage that reads one of its parents only, the first one that is good: the config to run with each
            of them. Its key does not depend on which. Empty for a stage that reads all its parents.
        together: How many neighbouring parents such a stage reads in the place of one.
        fold: The fold of the cell that asks for it first; None in a grid without folds, and for a stage that measures
            a stack.
    """

    kind: str
    key: str
    stack: Stack
    seed: int | None
    role: str
    config: dict = field(repr=False)
    parents: tuple[Step, ...]
    ingredients: Mapping[str, str] = field(repr=False)
    configs: tuple[dict, ...] = field(default=(), repr=False)
    fold: int | None = None
    together: int = 1
    step: Step = field(init=False, repr=False, compare=False)  # (kind, key): one tuple for all that name the stage

    def __post_init__(self) -> None:
        object.__setattr__(self, 'step', (self.kind, self.key))

    @property
    def alternatives(self) -> list[tuple[Step, ...]]:
        """The groups of parents of which the stage reads one; a stage that reads all its parents has one group."""
        size = self.together if self.configs else max(len(self.parents), 1)
        return [self.parents[start : start + size] for start in range(0, len(self.parents), size)]

    def with_more(self, other: 'Stage') -> 'Stage':
        """The stage with the alternatives of another one of its key, behind its own."""
        configs = dict(zip(other.alternatives, other.configs)) | dict(zip(self.alternatives, self.configs))
        order = dict.fromkeys([*self.alternatives, *other.alternatives])
        parents = tuple(step for group in order for step in group)
        return replace(self, parents=parents, configs=tuple(configs[group] for group in order))

    @property
    def label(self) -> str:
        """The name by which people know the stage: its cell or stack, and its role."""
        stack = stack_name(self.stack)
        name = stack if self.seed is None else cell_name(stack, self.seed, self.fold)
        return f'{name} {self.role}' if self.role else name


@dataclass(frozen=True, slots=True)
class Cell:
    """One stack × one seed, in a grid with folds × one fold, and its stages.

    Args:
        stack: The stack.
        seed: The seed.
        config: The resolved config that the cell is tested with.
        steps: (kind, key) of all its stages, in the order in which they run.
        fold: The fold; None in a grid without folds.
        beside: (kind, key) of other stages that its choices of values read: predictions of validation images, and the
            trials of its network with their trainings.
        validated: (kind, key) of the stage that tests it on the validation images, where the points of a sweep are
            compared on these; one of ``beside``.
    """

    stack: Stack
    seed: int
    config: dict = field(repr=False)
    steps: tuple[Step, ...]
    fold: int | None = None
    beside: tuple[Step, ...] = ()
    validated: Step | None = None

    @property
    def name(self) -> str:
        """The cell's name in files and tables."""
        return cell_name(stack_name(self.stack), self.seed, self.fold)

    @property
    def before_predict(self) -> tuple[Step, ...]:
        """The steps that make the networks: all before the prediction."""
        return self.steps[: self._place('predict')]

    @property
    def networks(self) -> list[str]:
        """Keys of the trainings whose networks predict: all but those of teachers, which only label."""
        steps = self.before_predict
        next_kinds = [kind for kind, _ in steps[1:]] + ['']
        return [key for (kind, key), then in zip(steps, next_kinds) if kind in TRAINED and then != 'label']

    @property
    def train(self) -> str:
        """Key of the cell's training: a student's rather than its teacher's, and of an ensemble the first member's."""
        return self.networks[0]

    @property
    def weights(self) -> Step:
        """(kind, key) of the stage whose checkpoint predicts."""
        return next(step for step in reversed(self.before_predict) if BY_NAME[step[0]].gives_checkpoint)

    @property
    def predict(self) -> str:
        """Key of the prediction."""
        return self.steps[self._place('predict')][1]

    @property
    def refine(self) -> str | None:
        """Key of the refinement; None for a stack without one."""
        return self.step('refine')

    @property
    def choice(self) -> str | None:
        """Key of the choice of refinements' values; None for a stack without tuned ones."""
        return self.step('select')

    @property
    def tuning(self) -> str | None:
        """Key of the choice of the network's values; None for a stack whose network is not tuned."""
        return self.step('choose')

    def step(self, kind: str) -> str | None:
        """Key of the first step of a kind; None if the cell has none."""
        return next((key for other, key in self.steps if other == kind), None)

    @property
    def tested(self) -> str:
        """Key of the stage whose label maps are compared with the annotations."""
        return self.refine or self.predict

    def _place(self, wanted: str) -> int:
        return [kind for kind, _ in self.steps].index(wanted)


@dataclass(frozen=True)
class Plan:
    """All cells of a grid, and the distinct stages that they need.

    Args:
        cells: Each stack × seed, and in a grid with folds × fold.
        stages: By key.
        profiles: The key of the stage that measures each stack; stacks of the same cost share one.
        comparisons: The comparisons to draw.
        clean_stack_of: Stack under a condition → the same stack without it, whose weights it has.
        design_count: How many designs contain the stack; only stacks in two or more.
    """

    cells: list[Cell]
    stages: dict[str, Stage]
    profiles: dict[Stack, str]
    comparisons: list[Comparison]
    clean_stack_of: Mapping[Stack, Stack] = field(default_factory=dict)
    design_count: Mapping[Stack, int] = field(default_factory=dict)

    def measured_by(self, profile: str) -> list[Stack]:
        """The stacks that share a profile."""
        return self._measured_by.get(profile, [])

    @cached_property
    def _measured_by(self) -> dict[str, list[Stack]]:
        stacks: dict[str, list[Stack]] = {}
        for stack, key in self.profiles.items():
            stacks.setdefault(key, []).append(stack)
        return stacks

    @cached_property
    def seeds_of(self) -> dict[Stack, list[int]]:
        """The seeds of each stack."""
        seeds: dict[Stack, dict[int, None]] = {}
        for cell in self.cells:
            seeds.setdefault(cell.stack, {})[cell.seed] = None
        return {stack: list(numbers) for stack, numbers in seeds.items()}

    def count(self, kind: str) -> int:
        """The number of distinct stages of this kind."""
        return sum(stage.kind == kind for stage in self.stages.values())

    def by_hand(self, *, each_design: bool = False) -> tuple[int, int]:
        """Trainings and tests of the same cells without sharing: each cell trains all its networks and is tested.

        A teacher's labelling counts as a test. A stack under a condition is tested with the weights of the clean stack.

        Args:
            each_design: Count a cell once for each design that contains its stack, as if each design were run alone.
        """
        trainings = tests = 0
        for cell in self.cells:
            times = self.design_count.get(cell.stack, 1) if each_design else 1
            kinds = [kind for kind, _ in (*cell.steps, *cell.beside)]
            has_own_networks = cell.stack not in self.clean_stack_of
            trainings += times * has_own_networks * kinds.count('train')
            tests += times * (1 + has_own_networks * kinds.count('label'))
        return trainings, tests


def what_changed(stored: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Names of the ingredients that differ between a stored result and the stage that is wanted."""
    return sorted(name for name in stored.keys() | wanted.keys() if stored.get(name) != wanted.get(name))
