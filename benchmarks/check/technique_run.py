"""One technique (or none) on one check baseline, with everything that checks look at, each computed once."""

import copy
import importlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmseg.models import BaseSegmentor
from mmseg.registry import DATASETS, MODELS

from benchmarks.check.baselines import SEED, CheckBaseline
from benchmarks.check.global_state import global_state_restored
from benchmarks.check.gradient_probe import with_gradient_probe
from benchmarks.check.graph_capture import Capture, capture, graph_breaks
from benchmarks.check.one_cell import composed_config, one_cell_plan, paired_config, stack_of
from benchmarks.files import read_json, write_json
from benchmarks.plan.plan import Cell, Plan, Stage
from benchmarks.stacks.technique import Stack, Technique
from benchmarks.stages.checkpoints import read_checkpoint
from benchmarks.stages.facts import read_facts
from benchmarks.stages.maps import read_map
from benchmarks.stages.parents import CHECKPOINT, LABELS, by_role
from benchmarks.stages.runner import build_runner, open_inference

MEASUREMENTS = 'measurements.pt'
KEPT, BREAKS = 'kept.json', 'breaks.json'


@dataclass(frozen=True)
class FinishedStage:
    """A stage that has been run.

    Args:
        folder: The folder of its files.
        facts: Its measured facts.
    """

    folder: Path
    facts: dict

    @cached_property
    def measurements(self) -> dict:
        """Of a training: the measurements of :class:`benchmarks.check.gradient_probe.GradientProbe`."""
        return torch.load(self.folder / MEASUREMENTS, weights_only=True)

    def weights(self) -> dict[str, torch.Tensor]:
        """The state dict of its checkpoint."""
        return read_checkpoint(self.folder / CHECKPOINT)['state_dict']


@dataclass(frozen=True)
class Prediction:
    """A prediction of the test images by the harness's own stages.

    Args:
        maps: The quantised merged map of each image, uint16 (C, H, W).
        rows: Facts per image and class, after refinement.
        changed_pixels: Labels that refinements changed; None when there is no refinement.
    """

    maps: list[np.ndarray]
    rows: list[dict]
    changed_pixels: int | None

    def same_as(self, other: 'Prediction') -> bool:
        """Whether both are equal bit for bit."""
        return (
            len(self.maps) == len(other.maps)
            and all(map(np.array_equal, self.maps, other.maps))
            and self.rows == other.rows
        )

    def miou(self) -> float:
        """Mean over classes of tp / (tp + fp + fn), each summed over the images, in percent; as mmseg's ``mIoU``."""
        scores = []
        for label in sorted({row['class'] for row in self.rows}):
            tp, fp, fn = (sum(row[name] for row in self.rows if row['class'] == label) for name in ('tp', 'fp', 'fn'))
            scores.append(tp / (tp + fp + fn) if tp + fp + fn else float('nan'))
        return 100 * float(np.nanmean(scores))


class TechniqueRun:
    """One technique on one check baseline, or the baseline itself.

    Args:
        baseline: The check baseline.
        folder: Working folder of its own.
        technique: The technique, or None for the baseline itself.
        reference: The baseline itself, already trained and tested; None if this is the baseline.
        probing: Whether a probe writes down what happens to the parameters during training.
        sibling: The technique's sibling, which the refusal of the technique names if it fits.
    """

    def __init__(
        self,
        baseline: CheckBaseline,
        folder: Path,
        technique: Technique | None = None,
        reference: 'TechniqueRun | None' = None,
        probing: bool = True,
        sibling: Technique | None = None,
    ) -> None:
        self.baseline, self.folder, self.technique, self.reference = baseline, folder, technique, reference
        self.sibling = sibling
        self.results: dict[str, FinishedStage] = {}
        self.probing = probing

    @property
    def stack(self) -> Stack:
        """The technique as a stack; empty for the baseline."""
        return stack_of(self.technique)

    @property
    def technique_checked(self) -> Technique:
        """The technique; the baseline itself has none.

        Raises:
            ValueError: This is the baseline.
        """
        if self.technique is None:
            raise ValueError(f"'{self.baseline.name}' is the baseline itself, without a technique")
        return self.technique

    @property
    def compared_with(self) -> 'TechniqueRun':
        """The baseline's own run, with which the technique is compared.

        Raises:
            ValueError: This run has no reference.
        """
        if self.reference is None:
            raise ValueError(f"'{self.baseline.name}' has nothing to be compared with")
        return self.reference

    @cached_property
    def composed(self) -> dict:
        """The config before the training data are paired."""
        return composed_config(self.baseline, self.technique)

    @cached_property
    def config(self) -> dict:
        """The resolved config before it gets its seed."""
        return paired_config(self.baseline, self.composed)

    @cached_property
    def plan(self) -> Plan:
        """The plan of a grid with this one cell. A stage with the key of a baseline's stage is the same work."""
        return one_cell_plan(self.baseline, self.stack, self.config, lambda key: str(self._place(key) / LABELS))

    @property
    def cell(self) -> Cell:
        """The one cell of the plan."""
        return self.plan.cells[0]

    def import_modules(self) -> None:
        """Import the modules that the config names."""
        for module in self.config['custom_imports']['imports']:
            importlib.import_module(module)

    def trains_as_reference(self) -> bool:
        """Whether its only training is the baseline's: it changes only the test."""
        return self.reference is not None and self.cell.weights == self.reference.cell.weights

    @cached_property
    def trainings(self) -> list[FinishedStage]:
        """All its trainings; the first one is that of the network that predicts, or of an ensemble's first member."""
        keys = [self.cell.train, *(key for kind, key in self.cell.steps if kind == 'train')]
        return [self.finished(key) for key in dict.fromkeys(keys)]

    def finished(self, key: str) -> FinishedStage:
        """The result of a stage. The first call runs the stage, after the stages whose results it reads."""
        known = self.reference.results if self.reference else {}
        if key not in known and key not in self.results:
            self.results[key] = self.run_stage(self.plan.stages[key], self._place(key))
        return self.results.get(key) or known[key]

    def run_stage(self, stage: Stage, folder: Path) -> FinishedStage:
        """Run a stage, even if it has been run before.

        Args:
            stage: A stage of the plan.
            folder: The folder for its results.
        """
        parents = by_role([(kind, self.finished(key).folder) for kind, key in stage.parents])
        probing = stage.kind == 'train' and self.probing
        config = with_gradient_probe(stage.config, folder / MEASUREMENTS) if probing else stage.config
        folder.mkdir(parents=True)
        with global_state_restored():
            facts = importlib.import_module(f'benchmarks.stages.{stage.kind}').run(
                config, folder, parents, self.baseline.device
            )
        return FinishedStage(folder, facts)

    def _place(self, key: str) -> Path:
        return self.folder / 'stages' / key

    @cached_property
    def prediction(self) -> Prediction:
        """The prediction of the test images."""
        refined = self.finished(self.cell.refine) if self.cell.refine else None
        return _read_prediction(self.finished(self.cell.predict), refined)

    def predict_again(self) -> Prediction:
        """Another prediction with the same weights."""
        stages = self.plan.stages
        predicted = self.run_stage(stages[self.cell.predict], self.new_folder('predict') / 'again')
        if self.cell.refine is None:
            return _read_prediction(predicted, None)
        refined = self.run_stage(stages[self.cell.refine], self.new_folder('refine') / 'again')
        return _read_prediction(predicted, refined)

    def train_again(self) -> FinishedStage:
        """Another training with the same seed."""
        return self.run_stage(self.plan.stages[self.cell.train], self.new_folder('train') / 'again')

    def effect_counts(self) -> dict[str, int]:
        """How often each part that counts its effects changed something, over all stages."""
        counts: dict[str, int] = {}
        for _, key in self.cell.steps:
            for part, count in self.finished(key).facts.get('acted', {}).items():
                counts[part] = counts.get(part, 0) + count
        return counts

    @cached_property
    def inference(self) -> tuple[Any, Any]:
        """The model that would predict the first test image (views, refinements and all), and the test data set."""
        with global_state_restored():
            runner = build_runner(
                self.cell.config,
                self.new_folder('open') / 'run',
                self.finished(self.cell.weights[1]).folder / CHECKPOINT,
            )
            return open_inference(runner), runner.test_dataloader.dataset

    def network(self) -> BaseSegmentor:
        """The trained network, without views and refinements."""
        with DefaultScope.overwrite_default_scope('mmseg'):
            model = MODELS.build(ConfigDict(copy.deepcopy(self.cell.config['model'])))
        model.load_state_dict(self.trainings[0].weights())
        return model.to(self.baseline.device)

    def batch(self, network: BaseSegmentor) -> dict:
        """The first training samples, as the network gets them during training."""
        with DefaultScope.overwrite_default_scope('mmseg'):
            # The inner data set, because the outer one pairs arms. A student's names the folder of its pseudo-labels.
            data = DATASETS.build(copy.deepcopy(self.cell.config['train_dataloader']['dataset']['dataset']))
        torch.manual_seed(SEED)
        np.random.seed(SEED)
        return network.data_preprocessor(pseudo_collate([data[0], data[1]]), True)

    @cached_property
    def capture(self) -> Capture:
        """A training pass, eager and captured as graphs."""
        with global_state_restored(), DefaultScope.overwrite_default_scope('mmseg'):
            network = self.network()
            return capture(network, self.batch(network), SEED)

    @property
    def breaks(self) -> dict[str, int]:
        """How often a graph breaks in a training pass, by reason; kept beside the stages, as it takes seconds."""
        known = read_json(self.folder / BREAKS)
        if isinstance(known, dict):
            return known
        with global_state_restored(), DefaultScope.overwrite_default_scope('mmseg'):
            network = self.network()
            breaks = graph_breaks(network, self.batch(network), SEED)
        write_json(self.folder / BREAKS, breaks)
        return breaks

    def new_folder(self, kind: str) -> Path:
        """An empty folder."""
        path = self.folder / f'{kind}{len(list(self.folder.glob(kind + "*")))}'
        path.mkdir(parents=True)
        return path

    def keep(self, *, with_breaks: bool = True) -> None:
        """Run all stages, and write their results where :meth:`load` finds them.

        Args:
            with_breaks: Whether graph breaks are counted now. That takes seconds, and most techniques need it on one
                baseline alone, so it can be left to the run that needs it.
        """
        for _, key in self.cell.steps:
            self.finished(key)
        if with_breaks:
            _ = self.breaks
        write_json(self.folder / KEPT, {key: result.facts for key, result in self.results.items()})

    @classmethod
    def load(cls, baseline: CheckBaseline, folder: Path) -> 'TechniqueRun':
        """The baseline's own run, whose :meth:`keep` another process has called.

        Raises:
            ValueError: The file of its results is damaged.
        """
        run, kept = cls(baseline, folder), read_json(folder / KEPT)
        if not isinstance(kept, dict):
            raise ValueError(f'{folder / KEPT} is missing or damaged; remove the folder, and check again')
        run.results = {key: FinishedStage(run._place(key), facts) for key, facts in kept.items()}
        return run


def _read_prediction(predicted: FinishedStage, refined: FinishedStage | None) -> Prediction:
    maps = [read_map(predicted.folder, index) for index in range(predicted.facts['images'])]
    rows = list(read_facts((refined or predicted).folder))
    return Prediction(maps, rows, refined.facts['changed_pixels'] if refined else None)
