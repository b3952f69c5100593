"""Do the arms of a comparison differ in more than their techniques declare?

A technique declares what its overlay sets. Three kinds of drift come along undeclared:

* a consequence: the overlay changes the network, and with it the numbers of parameters and operations; the transforms,
  and with them the pixels of a training step; the data, and with it how often each image is drawn;
* something set beside the technique's subject: a technique that sets a loss and the number of steps. A technique that
  sets nothing but steps, batch size, learning rate and schedules has these as its subject, and declares them;
* initial weights from another training, in a network that is another one.

Configs and facts are compared, and no technique is known by name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.stacks.marks import Path, leaves
from benchmarks.stacks.technique import Technique
from benchmarks.stacks.tree import mappings, walk

NOTABLE = 1.2  # the ratio from which a drift is pointed out
STEPS = (('train_cfg',),)
BATCH = (('train_dataloader', 'batch_size'), ('optim_wrapper', 'accumulative_counts'))
LEARNING_RATE = (('optim_wrapper', 'optimizer'), ('optim_wrapper', 'paramwise_cfg'), ('param_scheduler',))
BUDGET = (*STEPS, *BATCH, *LEARNING_RATE)  # what a technique may set for its own sake
DIFFERENCES_SHOWN = 2


@dataclass(frozen=True)
class Arm:
    """The training of a stack; of an ensemble the first member's.

    Args:
        config: Its resolved config.
        steps: Its iterations; None where the loop names no length.
        images: The number of its training images.
        parameters: Of its network.
        pixels: Pixels of an image as it enters the network, the mean over a training; None where it is not known.
        operations: Of its network for a test image; None where they are not known.
    """

    config: Mapping[str, Any] = field(repr=False)
    steps: int | None
    images: int
    parameters: int
    pixels: float | None = None
    operations: int | None = None

    @property
    def batch(self) -> int:
        """Images that one update of the weights sees."""
        wrapper = self.config.get('optim_wrapper') or {}
        return (self.config['train_dataloader'].get('batch_size') or 1) * (wrapper.get('accumulative_counts') or 1)

    @property
    def draws(self) -> float | None:
        """How often the training draws each image."""
        per_step = self.config['train_dataloader'].get('batch_size') or 1
        return None if self.steps is None else self.steps * per_step / self.images


@dataclass(frozen=True)
class Drift:
    """What differs between two arms without being declared.

    Args:
        clauses: One for each difference: ``3.1 times the parameters (…)``.
        cures: A sentence for each control that tells the causes apart.
        compute: How many times as many pixels the training sees, as far as that is not declared; 1 where it is alike.
    """

    clauses: list[str]
    cures: list[str] = field(default_factory=list)
    compute: float = 1.0


def drift(arm: Arm, reference: Arm, techniques: Sequence[Technique]) -> Drift:
    """The undeclared differences of two arms.

    Args:
        arm: The arm.
        reference: The arm that it is compared with.
        techniques: The techniques that only one of the two has.
    """
    clauses, cures, compute = [], list[str](), 1.0
    steps, batch = _ratio(arm.steps, reference.steps), _ratio(arm.batch, reference.batch)
    if not _alike(steps) and not declares(techniques, STEPS):
        clauses.append(f'{_times(steps)} as many steps ({reference.steps} → {arm.steps})')
        compute *= steps
    if not _alike(batch) and not declares(techniques, BATCH):
        clauses.append(f'{_times(batch)} as many images per update ({reference.batch} → {arm.batch})')
        compute *= batch
    pixels = _ratio(arm.pixels, reference.pixels)
    if not _alike(pixels):
        clauses.append(f'{_times(pixels)} as many pixels per image in training')
        compute *= pixels
    if not _alike(_ratio(arm.images, reference.images)) and not _alike(_ratio(arm.draws, reference.draws)):
        clauses.append(
            f'each training image is drawn {_times(_ratio(arm.draws, reference.draws))} as often '
            f'({reference.draws:.3g} → {arm.draws:.3g})'
        )
    size = _ratio(arm.parameters, reference.parameters)
    if not _alike(size):
        clauses.append(f'{_times(size)} the parameters ({_millions(reference)} → {_millions(arm)})')
        cures.append('A reference of about this size, wider or deeper, tells the size from the idea')
    operations = _ratio(arm.operations, reference.operations)
    if not _alike(operations):
        clauses.append(
            f'{_times(operations)} the operations of the network for a test image '
            f'({_billions(reference)} → {_billions(arm)})'
        )
        if _alike(size):  # the cure for the size is one for the operations, too
            cures.append(
                'A reference with about as many operations, such as a wider one, tells the computation from the idea'
            )
    schedule = [] if declares(techniques, LEARNING_RATE) else list(_schedule(arm, reference, steps))
    if schedule:
        clauses += schedule
        cures.append('The reference with this learning rate and schedule tells them from the idea')
    weights = [] if _alike(size, 1.0) else _other_weights(arm, reference)
    if weights:
        clauses.append(f'it starts from other weights ({", ".join(weights)})')
        cures.append('The same network from random weights tells the pretraining from the network')
    return Drift(clauses, cures, compute)


def declares(techniques: Sequence[Technique], keys: Sequence[Path]) -> bool:
    """Whether one of the techniques sets such a key, and nothing beside the budget of a training."""
    return any(
        all(_below(path, BUDGET) for path in paths) and any(_below(path, keys) for path in paths)
        for paths in (list(leaves(one.overlay, one.name)) for one in techniques)
    )


def _below(path: Path, keys: Sequence[Path]) -> bool:
    return any(path[: len(key)] == key for key in keys)


def _schedule(arm: Arm, reference: Arm, steps: float) -> Iterator[str]:
    """The differences in learning rate and schedule; a schedule for another number of steps is no difference."""
    found = [
        f'{".".join(map(str, path))}: {old!r} → {new!r}'
        for keys in LEARNING_RATE[: len(LEARNING_RATE) - (steps != 1)]
        for path, old, new in _differences(_at(reference.config, keys), _at(arm.config, keys), keys)
    ]
    if found:
        more = len(found) - DIFFERENCES_SHOWN
        shown = ', '.join(found[:DIFFERENCES_SHOWN]) + (f' and {more} more' if more > 0 else '')
        yield f'another learning rate or schedule ({shown})'


def _differences(old: Any, new: Any, place: Path) -> Iterator[tuple[tuple, Any, Any]]:
    """The leaves that differ, with their values; None for a leaf that one side lacks."""
    one, other = (
        {path: value for path, value in walk(node, place) if not isinstance(value, (Mapping, list, tuple))}
        for node in (old, new)
    )
    for path in dict.fromkeys([*one, *other]):
        if one.get(path) != other.get(path):
            yield path, one.get(path), other.get(path)


def _at(node: Any, keys: Path) -> Any:
    for key in keys:
        node = (node or {}).get(key)
    return node


def _other_weights(arm: Arm, reference: Arm) -> list[str]:
    """The initial weights that one of the arms loads and the other does not."""
    own, others = (list(_initial_weights(one.config)) for one in (arm, reference))
    return [text for text in dict.fromkeys([*own, *others]) if (text in own) != (text in others)]


def _initial_weights(config: Mapping[str, Any]) -> Iterator[str]:
    if config.get('load_from'):
        yield f'load_from={config["load_from"]!r}'
    for part in mappings(config['model']):
        name = str(part.get('type')).rpartition('.')[2]
        if part.get('pretrained'):
            yield f'{name} pretrained={part["pretrained"]!r}'
        rule = part.get('init_cfg')
        if isinstance(rule, Mapping) and rule.get('type') == 'Pretrained':
            yield f'{name} {rule.get("checkpoint")!r}'


def _ratio(new: float | None, old: float | None) -> float:
    return new / old if new and old else 1.0


def _alike(ratio: float, notable: float = NOTABLE) -> bool:
    return 1 / notable < ratio < notable or ratio == 1


def _times(ratio: float) -> str:
    return f'{ratio:.2g} times'


def _millions(arm: Arm) -> str:
    return f'{arm.parameters / 1e6:.3g} million'


def _billions(arm: Arm) -> str:
    return f'{(arm.operations or 0) / 1e9:.3g} billion'
