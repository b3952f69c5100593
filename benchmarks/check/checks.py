"""The checks, one small function each; their order is the table :data:`CHECKS`.

A check looks at a :class:`~benchmarks.check.technique_run.TechniqueRun`. It returns a note (or None), raises
:class:`~benchmarks.check.result.Broken` with the cause, or
:class:`~benchmarks.check.result.NotApplicable`; whatever else it raises is the technique's own failure.
"""

import copy
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.runner import autocast

from benchmarks.check.global_state import without_package
from benchmarks.check.gradient_probe import shown
from benchmarks.check.mmseg_tools import HARNESS, miou_with_mmseg, train_with_mmseg
from benchmarks.check.result import Broken, NotApplicable
from benchmarks.check.technique_run import TechniqueRun
from benchmarks.check.toy_data import speckled_maps
from benchmarks.preflight.builds import check_builds, check_loaders, check_sampling
from benchmarks.preflight.legality import KeyChecker, Registries
from benchmarks.stacks.imports import import_modules
from benchmarks.stacks.several_networks import ENSEMBLE, members
from benchmarks.stages.parents import CHECKPOINT

# mmseg rounds its scores to 0.01.
MIOU_TOLERANCE = 0.01 + 1e-6
# A graph that is captured may add in another order.
CAPTURE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Check:
    """A check by name.

    Args:
        name: As the table calls it.
        run: The function.
        needs: Names of the checks without which it has nothing to look at.
        everywhere: Whether it runs on every baseline; the others run on the first one that the technique fits.
    """

    name: str
    run: Callable[[TechniqueRun], str | None]
    needs: tuple[str, ...] = ()
    everywhere: bool = False


def builds(run: TechniqueRun) -> None:
    """All keys are legal, all types are registered, everything can be constructed, and refinements fit together."""
    row, base = run.technique, run.baseline.config
    with without_package(HARNESS):
        import_modules({row.name: row}, base)
    alone = run.composed
    registries = Registries()
    judge, origin = KeyChecker(registries), f"technique '{row.name}'"
    judge.check(row.overlay, base, alone, origin)
    for number, overlay in enumerate(row.overlay.get(ENSEMBLE, {}).get('members', [])):
        judge.check(overlay, alone, alone[ENSEMBLE]['members'][number], f'{origin}, member {number + 1}')
    for member, paired in zip(members(alone), members(run.config)):
        check_builds(member.config, f"'{run.baseline.name}' with '{row.name}'{member.called}")
        check_sampling(paired.config, registries, origin)
        check_loaders(paired.config, origin)


def trains(run: TechniqueRun) -> str | None:
    """Every step of each training gives a finite loss and finite gradients; anything else ends it."""
    number = len(run.trainings)
    if run.trains_as_reference():
        raise NotApplicable("the training is the baseline's: it acts at test time only")
    return f'{number} trainings' if number > 1 else None


def learns(run: TechniqueRun) -> str | None:
    """Parameters that it adds get a gradient and move; those that the baseline trains still do."""
    if run.trains_as_reference():
        raise NotApplicable("the training is the baseline's")
    theirs, known = run.reference.trainings[0].notes, run.reference.trainings[0].weights()
    total = 0
    for training in run.trainings:
        own, weights = training.notes, training.weights()
        added = [name for name in own['gradient'] if name not in known or weights[name].shape != known[name].shape]
        total += len(added)
        _refuse_untrained(
            'parameters that it adds never get a gradient', [name for name in added if not own['gradient'][name]]
        )
        _refuse_untrained(
            'parameters that it adds get a gradient but never move',
            [name for name in added if name not in own['moved']],
        )
        _refuse_untrained(
            'parameters that the baseline trains get no gradient any more (set their '
            'requires_grad to False to leave them as they are)',
            [name for name, trained in theirs['gradient'].items() if trained and not own['gradient'].get(name, True)],
        )
    return f'{total} new parameter tensors, all trained' if total else None


def _refuse_untrained(what: str, names: list[str]) -> None:
    if names:
        raise Broken(f'{what}: {shown(names)}')


def predicts(run: TechniqueRun) -> None:
    """Every test image gets probabilities (they are refused where they are not finite), and labels when refined."""
    run.prediction


def acts(run: TechniqueRun) -> str | None:
    """It changes the output, or says that it acted; and nothing says that it did not."""
    told, known = run.acted(), run.reference.acted()
    idle = [part for part, count in told.items() if not count]
    if idle:
        raise Broken(f'never acted: {shown(idle)}')
    counts = ', '.join(f'{part} {count}×' for part, count in told.items() if count > known.get(part, 0))
    if not run.prediction.same_as(run.reference.prediction):
        return counts or None
    refined = _refined_pixels(run)
    if refined:
        return f'refines {refined} pixels of speckled maps'
    if counts:
        return f"the baseline's predictions; acts on cost only: {counts}"
    raise Broken(
        "changes nothing: the predictions are the baseline's, and nothing says that it acted "
        '(an attribute `acted` that counts)'
    )


def repeats(run: TechniqueRun) -> None:
    """Two runs with the same seed are equal bit for bit."""
    if not run.trains_as_reference():
        different = _different(run.trainings[0].weights(), run.train_again().weights())
        if different:
            raise Broken(f'two trainings with the same seed differ in {shown(different)}')
    if not run.prediction.same_as(run.predict_again()):
        raise Broken('two predictions with the same weights differ')


def autocasts(run: TechniqueRun) -> None:
    """Losses, gradients and predictions are finite under autocast (bfloat16 on a CPU)."""
    half = torch.bfloat16 if run.baseline.device == 'cpu' else None
    model, data = run.inference
    with autocast(enabled=True, dtype=half):
        for sample in model.test_step(_one(data)):
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
        raise Broken(f'gradients under autocast are not finite: {shown(wrong)}')


def captures(run: TechniqueRun) -> str | None:
    """The training forward pass is captured as graphs (dynamo and AOT autograd), with the same loss and gradients."""
    if _same_network(run):
        raise NotApplicable("its network and loss are the baseline's")
    found, known = run.capture, run.reference.capture.breaks
    for what in ('loss', 'gradients'):
        captured, eager = getattr(found.captured, what), getattr(found.eager, what)
        if not math.isclose(captured, eager, rel_tol=CAPTURE_TOLERANCE, abs_tol=CAPTURE_TOLERANCE):
            raise Broken(f'captured as a graph, the {what} is {captured:.6g} instead of {eager:.6g}')
    more = [reason for reason, count in found.breaks.items() if count > known.get(reason, 0)]
    return f'breaks the graph: {"; ".join(more)}' if more else None


def saves(run: TechniqueRun) -> None:
    """A state dict holds all that the network learns; network, loss and data set pass to other processes."""
    _, data = run.inference
    pickle.loads(pickle.dumps(data))
    if _same_network(run):
        return
    trained, twin = run.network(), run.network()
    images = trained.data_preprocessor(_one(data), False)['inputs']
    with DefaultScope.overwrite_default_scope('mmseg'):
        _train_a_step(trained, run.batch(trained))
    twin.load_state_dict(copy.deepcopy(trained.state_dict()))
    for name, other in (('a state dict', twin), ('pickle', pickle.loads(pickle.dumps(trained)))):
        if not _same_outputs(trained, other, images):
            raise Broken(
                f'after a round trip through {name} the network predicts something else; is all that it '
                f'learns in parameters and buffers?'
            )


def plain(run: TechniqueRun) -> str:
    """mmseg's ``tools/train.py`` and ``tools/test.py`` on the dumped config: the same weights, the same mIoU."""
    config, folder, training = run.cell.config, run.new_folder('plain'), run.trainings[0]
    checkpoint, weights = train_with_mmseg(config, folder)
    different = _different(training.weights(), weights)
    if different:
        raise Broken(f"mmseg's tools/train.py on the dumped config trains other weights: {shown(different)}")
    if run.cell.weights[1] != run.cell.train:  # of several trainings it makes the first one
        checkpoint = run.done(run.cell.weights[1]).folder / CHECKPOINT
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


def _one(data) -> dict:
    return pseudo_collate([data[0]])


def _tensors(output) -> list[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        return [output]
    values = output.values() if isinstance(output, dict) else output
    return [tensor for value in values for tensor in _tensors(value)] if isinstance(values, (list, tuple)) else []


def _different(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> list[str]:
    """Names of tensors that one state dict lacks, or that differ in any bit."""
    common = ours.keys() & theirs.keys()
    return sorted((ours.keys() ^ theirs.keys()) | {name for name in common if not _equal(ours[name], theirs[name])})


def _equal(a, b) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())
    return pickle.dumps(a) == pickle.dumps(b)


def _same_network(run: TechniqueRun) -> bool:
    return run.composed['model'] == run.baseline.config['model']


def _train_a_step(network, batch: dict) -> None:
    """So that whatever changes while training has changed."""
    loss, _ = network.train().parse_losses(network(**batch, mode='loss'))
    loss.backward()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter -= 0.01 * parameter.grad


def _same_outputs(first, second, images: torch.Tensor) -> bool:
    with torch.no_grad():
        outputs = [_tensors(network.eval()(images, mode='tensor')) for network in (first, second)]
    return len(outputs[0]) == len(outputs[1]) and all(map(torch.equal, *outputs))


def _refined_pixels(run: TechniqueRun) -> int:
    """Labels that the refinements change on maps with much to refine."""
    if run.prediction.changed_pixels is None:
        return 0
    model, num_classes = run.inference[0], len(run.prediction.maps[0])
    if num_classes < 3:
        return 0
    return sum(
        int(np.count_nonzero(model.refine(q, path) != model.labels(q)))
        for path, q in speckled_maps(run.baseline.pictures, num_classes)
    )
