"""One technique (or none) on one check baseline, and everything that checks look at; each thing is computed once."""

import copy
import importlib
import pickle
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS, MODELS
from torch import nn

from benchmarks.check.baselines import SEED, Arena
from benchmarks.check.global_state import fresh_process
from benchmarks.check.gradient_probe import watched
from benchmarks.check.graph_capture import Capture, capture
from benchmarks.files import digest
from benchmarks.plan.plan import Cell, Plan, Stage
from benchmarks.plan.planner import KeyContext, make_plan
from benchmarks.stacks.compose import compose
from benchmarks.stacks.plugin_code import PluginCode
from benchmarks.stacks.protocol import pair_training_data
from benchmarks.stacks.several_networks import TEACHER, each_training
from benchmarks.stacks.technique import Stack, Technique
from benchmarks.stages.checkpoints import read_checkpoint
from benchmarks.stages.facts import read_facts
from benchmarks.stages.maps import read_map
from benchmarks.stages.parents import CHECKPOINT, LABELS, by_role
from benchmarks.stages.runner import build_runner, open_inference

NOTES = 'notes.pt'
SURE = 0.0


@dataclass(frozen=True)
class Done:
    """A stage that has been run.

    Args:
        folder: What it left.
        facts: What it says of itself.
    """

    folder: Path
    facts: dict

    @cached_property
    def notes(self) -> dict:
        """Of a training: what :class:`benchmarks.check.gradient_probe.CheckWatch` saw."""
        return torch.load(self.folder / NOTES, weights_only=True)

    def weights(self) -> dict[str, torch.Tensor]:
        """The state dict of its checkpoint."""
        return dict(read_checkpoint(self.folder / CHECKPOINT)['state_dict'])


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


class Subject:
    """What is checked.

    Args:
        arena: On what.
        folder: Working folder of its own.
        technique: The technique, or None for the baseline itself.
        reference: The baseline itself, already trained and tested; None when this is it.
        watching: Whether to take notes of trainings.
    """

    def __init__(
        self,
        arena: Arena,
        folder: Path,
        technique: Technique | None = None,
        reference: 'Subject | None' = None,
        watching: bool = True,
    ) -> None:
        self.arena, self.folder, self.technique, self.reference = arena, folder, technique, reference
        self.results: dict[str, Done] = {}
        self.watching = watching
        folder.mkdir(parents=True)

    @property
    def stack(self) -> Stack:
        """The technique as a stack; empty for the baseline."""
        return (self.technique.name,) if self.technique else ()

    @cached_property
    def composed(self) -> dict:
        """The config before the training data are paired."""
        config = compose(self.arena.base, self.stack, {self.technique.name: self.technique} if self.technique else {})
        if TEACHER in config:  # after so few steps it is sure of nothing
            config[TEACHER] = {**config[TEACHER], 'confidence': min(config[TEACHER].get('confidence', 0), SURE)}
        return config

    @cached_property
    def config(self) -> dict:
        """The resolved config before it gets its seed."""
        return each_training(self.composed, lambda one: pair_training_data(one, self.arena.protocol))

    @cached_property
    def plan(self) -> Plan:
        """What a grid of this one cell would run. Stages of the same key as the baseline's are the same work."""
        context = KeyContext(
            baseline=self.arena.base,
            code=PluginCode(self.config['custom_imports']['imports']),
            fingerprint=digest,
            names=digest,
            versions={},
            device_type=self.arena.device,
            hardware='',
            label_dir=lambda key: str(self._place(key) / LABELS),
        )
        return make_plan({self.stack: self.config}, [], [SEED], context)

    @property
    def cell(self) -> Cell:
        """The one cell of the plan."""
        return self.plan.cells[0]

    def import_modules(self) -> None:
        """Import what the config names."""
        for module in self.config['custom_imports']['imports']:
            importlib.import_module(module)

    def trains_as_reference(self) -> bool:
        """Whether its only training is the baseline's: it acts at test time only."""
        return self.reference is not None and self.cell.weights == self.reference.cell.weights

    @cached_property
    def trainings(self) -> list[Done]:
        """Each of its trainings, that of the network that predicts (or of the first one of several) first."""
        keys = [self.cell.train, *(key for kind, key in self.cell.steps if kind == 'train')]
        return [self.done(key) for key in dict.fromkeys(keys)]

    def done(self, key: str) -> Done:
        """A stage's result, and before it that of all that it needs; computed by the first who asks."""
        known = self.reference.results if self.reference else {}
        if key not in known and key not in self.results:
            self.results[key] = self.run(self.plan.stages[key], self._place(key))
        return self.results.get(key) or known[key]

    def run(self, stage: Stage, folder: Path) -> Done:
        """Run a stage, whether it has been run before or not.

        Args:
            stage: One of the plan's.
            folder: Where it leaves its results.
        """
        parents = by_role([(kind, self.done(key).folder) for kind, key in stage.parents])
        watching = stage.kind == 'train' and self.watching
        config = watched(stage.config, folder / NOTES) if watching else stage.config
        folder.mkdir(parents=True)
        with fresh_process():
            facts = importlib.import_module(f'benchmarks.stages.{stage.kind}').run(
                config, folder, parents, self.arena.device
            )
        return Done(folder, facts)

    def _place(self, key: str) -> Path:
        return self.folder / 'stages' / key

    @cached_property
    def prediction(self) -> Prediction:
        """The prediction of the test images."""
        return self._read(self.done(self.cell.predict), self.done(self.cell.refine) if self.cell.refine else None)

    def predict_again(self) -> Prediction:
        """Another prediction with the same weights."""
        predict, refine = self.plan.stages[self.cell.predict], self.plan.stages.get(self.cell.refine)
        predicted = self.run(predict, self.new_folder('predict') / 'again')
        return self._read(predicted, self.run(refine, self.new_folder('refine') / 'again') if refine else None)

    def train_again(self) -> Done:
        """Another training with the same seed."""
        return self.run(self.plan.stages[self.cell.train], self.new_folder('train') / 'again')

    @staticmethod
    def _read(predicted: Done, refined: Done | None) -> Prediction:
        maps = [read_map(predicted.folder, index) for index in range(predicted.facts['images'])]
        return Prediction(
            maps, list(read_facts((refined or predicted).folder)), refined.facts['changed_pixels'] if refined else None
        )

    def acted(self) -> dict[str, int]:
        """What says of itself how often it acted, over all stages together: a hook may act in one of them only."""
        counts: dict[str, int] = {}
        for _, key in self.cell.steps:
            for part, count in self.done(key).facts.get('acted', {}).items():
                counts[part] = counts.get(part, 0) + count
        return counts

    @cached_property
    def inference(self) -> tuple[nn.Module, object]:
        """The model that would predict the first test image (views, refinements and all), and the test data set."""
        with fresh_process():
            runner = build_runner(
                self.cell.config, self.new_folder('open') / 'run', self.done(self.cell.weights[1]).folder / CHECKPOINT
            )
            return open_inference(runner), runner.test_dataloader.dataset

    def network(self) -> nn.Module:
        """The trained network without what a test puts around it."""
        with DefaultScope.overwrite_default_scope('mmseg'):
            model = MODELS.build(ConfigDict(copy.deepcopy(self.cell.config['model'])))
        model.load_state_dict(self.trainings[0].weights())
        return model.to(self.arena.device)

    def batch(self, network: nn.Module) -> dict:
        """The first samples of the training split as the network gets them while it is trained."""
        with DefaultScope.overwrite_default_scope('mmseg'):
            # Within the pairing of arms; a student's names the folder of its labels, which its training has asked for.
            data = DATASETS.build(copy.deepcopy(self.cell.config['train_dataloader']['dataset']['dataset']))
        torch.manual_seed(SEED)
        np.random.seed(SEED)
        return network.data_preprocessor(pseudo_collate([data[0], data[1]]), True)

    @cached_property
    def capture(self) -> Capture:
        """A training pass, eager and captured as graphs."""
        with fresh_process(), DefaultScope.overwrite_default_scope('mmseg'):
            network = self.network()
            return capture(network, self.batch(network), SEED)

    def new_folder(self, kind: str) -> Path:
        """An empty folder."""
        path = self.folder / f'{kind}{len(list(self.folder.glob(kind + "*")))}'
        path.mkdir()
        return path

    def keep(self) -> None:
        """Compute what techniques are compared with, and write it for other processes."""
        self.prediction
        found = dict(results=self.results, plan=self.plan, prediction=self.prediction, capture=self.capture)
        (self.folder / 'kept.pkl').write_bytes(pickle.dumps(found))

    @classmethod
    def kept(cls, arena: Arena, folder: Path) -> 'Subject':
        """The baseline whose :meth:`keep` another process has called."""
        subject = cls.__new__(cls)
        subject.arena, subject.folder, subject.technique, subject.reference = arena, folder, None, None
        vars(subject).update(pickle.loads((folder / 'kept.pkl').read_bytes()))
        return subject
