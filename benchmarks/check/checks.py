"""The checks, one small function each; their order is the table :data:`CHECKS`.

A check looks at a :class:`~benchmarks.check.technique_run.TechniqueRun`. It returns a note or None, raises
:class:`~benchmarks.check.result.Broken` with the cause, or raises
:class:`~benchmarks.check.result.NotApplicable`. Every other exception is the technique's own failure.
"""

import copy
import math
import pickle
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.runner import autocast
from mmseg.models import BaseSegmentor

from benchmarks.check.global_state import without_package
from benchmarks.check.mmseg_tools import HARNESS, miou_with_mmseg, train_with_mmseg
from benchmarks.check.one_cell import composed_config
from benchmarks.check.result import Broken, NotApplicable
from benchmarks.check.technique_run import TechniqueRun
from benchmarks.check.toy_data import NUMBERS, speckled_maps
from benchmarks.errors import Mistakes, some_of
from benchmarks.preflight.builds import BuiltOnce, check_builds
from benchmarks.preflight.legality import Registries
from benchmarks.preflight.stack import check_stack, check_technique, import_and_register
from benchmarks.stacks.siblings import naming_sibling
from benchmarks.stacks.technique import Technique
from benchmarks.stacks.tuning import trial_variants
from benchmarks.stages.parents import CHECKPOINT

NAMES_SHOWN = 4
# mmseg rounds its scores to 0.01.
MIOU_TOLERANCE = 0.01 + 1e-6
# A captured graph may add in another order.
CAPTURE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Check:
    """A check by name.

    Args:
        name: Its name in the table.
        function: The function.
        needs: Names of the checks that must have passed before.
        everywhere: Whether it runs on every baseline; the others run on the first baseline that the technique fits.
    """

    name: str
    function: Callable[[TechniqueRun], str | None]
    needs: tuple[str, ...] = ()
    everywhere: bool = False


def builds(run: TechniqueRun) -> None:
    """All keys are legal, all types are registered, everything can be constructed, and refinements fit together."""
    with naming_sibling(run.technique_checked, lambda technique: run.sibling, lambda sibling: _build(run, sibling)):
        _build(run, run.technique_checked)


def _build(run: TechniqueRun, technique: Technique) -> None:
    """Refuse the technique of a run, or its sibling, if it cannot be put on the baseline."""
    base = run.baseline.config
    own = run if technique is run.technique else TechniqueRun(run.baseline, run.folder / technique.name, technique)
    with without_package(HARNESS):
        registries = import_and_register({technique.name: technique}, base)
    check_technique(technique, base, own.composed, registries)
    check_stack(own.composed, own.config, f"'{run.baseline.name}' with '{technique.name}'", registries)
    if technique.search:
        _build_trials(run, technique, registries)


def _build_trials(run: TechniqueRun, technique: Technique, registries: Registries) -> None:
    """Refuse a technique if a trial of its search has an illegal key, or a value with which nothing builds."""
    built, mistakes = BuiltOnce(), Mistakes()
    for trial in trial_variants(technique, technique.search['trials'] if technique.search else 0):
        config = composed_config(run.baseline, trial)
        with mistakes.noted():
            check_technique(trial, run.baseline.config, config, registries)
            check_builds(config, f"'{run.baseline.name}' with '{trial.name}'", built)
    mistakes.refuse()


def trains(run: TechniqueRun) -> str | None:
    """Every step of each training gives a finite loss and finite gradients."""
    number = len(run.trainings)
    if run.trains_as_reference():
        raise NotApplicable("the training is the baseline's: it changes only the test")
    return f'{number} trainings' if number > 1 else None


def learns(run: TechniqueRun) -> str | None:
    """Parameters that the technique adds get a gradient and move; those that the baseline trains still do."""
    if run.trains_as_reference():
        raise NotApplicable("the training is the baseline's")
    reference = run.compared_with.trainings[0]
    theirs, known = reference.measurements, reference.weights()
    total = 0
    for training in run.trainings:
        measured, weights = training.measurements, training.weights()
        added = [name for name in measured['gradient'] if name not in known or weights[name].shape != known[name].shape]
        total += len(added)
        _refuse_untrained(
            'parameters that it adds never get a gradient', [name for name in added if not measured['gradient'][name]]
        )
        _refuse_untrained(
            'parameters that it adds get a gradient but never move',
            [name for name in added if name not in measured['moved']],
        )
        _refuse_untrained(
            'parameters that the baseline trains get no gradient any more (set their '
            'requires_grad to False to leave them as they are)',
            [
                name
                for name, trained in theirs['gradient'].items()
                if trained and not measured['gradient'].get(name, True)
            ],
        )
    return f'{total} new parameter tensors, all trained' if total else None


def _refuse_untrained(problem: str, names: list[str]) -> None:
    if names:
        raise Broken(f'{problem}: {_shown(names)}')


def predicts(run: TechniqueRun) -> None:
    """Every test image gets finite probabilities, and labels if the technique refines."""
    predicted, pictures = len(run.prediction.maps), NUMBERS['test']
    if predicted != pictures:
        raise Broken(f'{predicted} instead of {pictures} test images are predicted')


def acts(run: TechniqueRun) -> str | None:
    """The technique changes the output or counts an effect, and no part counts that it had none."""
    reference = run.compared_with
    counted, known = run.effect_counts(), reference.effect_counts()
    inactive = [part for part, count in counted.items() if not count]
    if inactive:
        raise Broken(f'never acted: {_shown(inactive)}')
    counts = ', '.join(f'{part} {count}×' for part, count in counted.items() if count > known.get(part, 0))
    if not run.prediction.same_as(reference.prediction):
        return counts or None
    refined = _refined_pixels(run)
    if refined:
        return f'refines {refined} pixels of speckled maps'
    if counts:
        return f"the baseline's predictions; acts on cost only: {counts}"
    raise Broken(
        "changes nothing: the predictions are the baseline's, and no part counts an effect (in an attribute `acted`); "
        'a refinement that gives probabilities must set `labels`, too'
    )


def repeats(run: TechniqueRun) -> None:
    """Two runs with the same seed are equal bit for bit."""
    if not run.trains_as_reference():
        different = _different(run.trainings[0].weights(), run.train_again().weights())
        if different:
            raise Broken(f'two trainings with the same seed differ in {_shown(different)}')
    if not run.prediction.same_as(run.predict_again()):
        raise Broken('two predictions with the same weights differ')


def autocasts(run: TechniqueRun) -> None:
    """Losses, gradients and predictions are finite under autocast (bfloat16 on a CPU)."""
    half = torch.bfloat16 if run.baseline.device == 'cpu' else None
    model, data = run.inference
    with autocast(enabled=True, dtype=half):
        for sample in model.test_step(_first(data)):
            if not torch.isfinite(sample.seg_logits.data).all():
                raise Broken('probabilities under autocast are not finite')
    if run.trains_as_reference():
        return
    with DefaultScope.overwrite_default_scope('mmseg'):
        network = run.network().train()
        batch = run.batch(network)
        with autocast(enabled=True, dtype=half):
            loss, _ = network.parse_losses(network(**batch, mode='loss'))
        loss.backward()
    if not torch.isfinite(loss):
        raise Broken(f'the loss under autocast is {float(loss.detach())}')
    wrong = [name for name, p in network.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()]
    if wrong:
        raise Broken(f'gradients under autocast are not finite: {_shown(wrong)}')


def captures(run: TechniqueRun) -> str | None:
    """The training forward pass is captured as graphs (dynamo and AOT autograd), with the same loss and gradients."""
    if _same_network(run):
        raise NotApplicable("its network and loss are the baseline's")
    own = run.capture
    for name in ('loss', 'gradients'):
        captured, eager = getattr(own.captured, name), getattr(own.eager, name)
        if not math.isclose(captured, eager, rel_tol=CAPTURE_TOLERANCE, abs_tol=CAPTURE_TOLERANCE):
            raise Broken(f'captured as a graph, the {name} is {captured:.6g} instead of {eager:.6g}')
    known = run.compared_with.breaks if own.breaks else {}
    more = [reason for reason, count in own.breaks.items() if count > known.get(reason, 0)]
    return f'breaks the graph: {"; ".join(more)}' if more else None


def saves(run: TechniqueRun) -> None:
    """A state dict holds everything that the network learns; network, loss and data set can be pickled."""
    _, data = run.inference
    pickle.loads(pickle.dumps(data))
    if _same_network(run):
        return
    trained, twin = run.network(), run.network()
    images = trained.data_preprocessor(_first(data), False)['inputs']
    with DefaultScope.overwrite_default_scope('mmseg'):
        _train_a_step(trained, run.batch(trained))
    twin.load_state_dict(copy.deepcopy(trained.state_dict()))
    for name, other in (('a state dict', twin), ('pickle', pickle.loads(pickle.dumps(trained)))):
        if not _same_outputs(trained, other, images):
            raise Broken(
                f'after a round trip through {name} the network predicts something else; is everything '
                f'that it learns in parameters and buffers?'
            )


def plain(run: TechniqueRun) -> str:
    """mmseg's ``tools/train.py`` and ``tools/test.py`` on the dumped config: the same weights, the same mIoU."""
    config, folder, training = run.cell.config, run.new_folder('plain'), run.trainings[0]
    checkpoint, weights = train_with_mmseg(config, folder)
    different = _different(training.weights(), weights)
    if different:
        raise Broken(f"mmseg's tools/train.py on the dumped config trains other weights: {_shown(different)}")
    if run.cell.weights[1] != run.cell.train:  # tools/train.py runs only the first of several trainings
        checkpoint = run.finished(run.cell.weights[1]).folder / CHECKPOINT
    miou, ours = miou_with_mmseg(config, checkpoint, folder), run.prediction.miou()
    if abs(miou - ours) > MIOU_TOLERANCE:
        raise Broken(f"mmseg's tools/test.py on the dumped config tells an mIoU of {miou:.2f} instead of {ours:.2f}")
    return f'mIoU {miou:.2f}'


CHECKS = (
    Check('builds', builds, everywhere=True),
    Check('trains', trains, ('builds',), everywhere=True),
    Check('learns', learns, ('trains',), everywhere=True),
    Check('predicts', predicts, ('trains',), everywhere=True),
    Check('acts', acts, ('predicts',)),
    Check('repeats', repeats, ('predicts',)),
    Check('autocasts', autocasts, ('trains',)),
    Check('captures', captures, ('trains',)),
    Check('saves', saves, ('trains',)),
    Check('plain', plain, ('predicts',)),
)


def _shown(names: Collection[str]) -> str:
    return some_of(sorted(names), NAMES_SHOWN)


def _first(data: Any) -> dict:
    """A batch of the first sample."""
    return pseudo_collate([data[0]])


def _tensors(output: Any) -> list[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        return [output]
    values = output.values() if isinstance(output, dict) else output
    return [tensor for value in values for tensor in _tensors(value)] if isinstance(values, (list, tuple)) else []


def _different(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> list[str]:
    """Names of tensors that one state dict lacks, or that differ in any bit."""
    common = ours.keys() & theirs.keys()
    return sorted((ours.keys() ^ theirs.keys()) | {name for name in common if not _equal(ours[name], theirs[name])})


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())
    return pickle.dumps(a) == pickle.dumps(b)


def _same_network(run: TechniqueRun) -> bool:
    return run.composed['model'] == run.baseline.config['model']


def _train_a_step(network: BaseSegmentor, batch: dict) -> None:
    """Train one step, which changes everything that changes during training."""
    loss, _ = network.train().parse_losses(network(**batch, mode='loss'))
    loss.backward()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter -= 0.01 * parameter.grad


def _same_outputs(first: BaseSegmentor, second: BaseSegmentor, images: torch.Tensor) -> bool:
    with torch.no_grad():
        outputs = [_tensors(network.eval()(images, mode='tensor')) for network in (first, second)]
    return len(outputs[0]) == len(outputs[1]) and all(map(torch.equal, *outputs))


def _refined_pixels(run: TechniqueRun) -> int:
    """How many labels the refinements change on maps with much to refine."""
    if run.prediction.changed_pixels is None:
        return 0
    model, num_classes = run.inference[0], len(run.prediction.maps[0])
    if num_classes < 3:
        return 0
    return sum(
        int(np.count_nonzero(model.refine(q, path) != model.labels(q)))
        for path, q in speckled_maps(run.baseline.pictures, num_classes)
    )
