"""Arms of an ablation that start from the same weights, and run on the same number of threads.

mmengine draws every parameter from one generator, in the order of construction: one more layer in one arm changes all
parameters that come after it. :class:`PairedArmsHook` draws them anew, each as a function of (seed, its own name).
"""

import copy
from collections.abc import Callable

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop
from mmseg.registry import HOOKS, MODELS
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from plugins.datasets.paired import isolated_random_state, seed_transforms, stream


class _RandomOperations(TorchDispatchMode):
    """Call ``before`` with the arguments of each random operation, and ``after`` with what it wrote.

    Args:
        before: Seeds the generator, if it likes.
        after: Takes notes, if it likes.
    """

    def __init__(
        self, before: Callable[[tuple], None] | None = None, after: Callable[[Tensor], None] | None = None
    ) -> None:
        super().__init__()
        self.before, self.after = before, after

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        is_random = torch.Tag.nondeterministic_seeded in func.tags
        if is_random and self.before:
            self.before(args)
        result = func(*args, **(kwargs or {}))
        if is_random and self.after:
            self.after(result)
        return result


def _names_by_storage(model: nn.Module) -> dict[int, str]:
    return {
        tensor.untyped_storage().data_ptr(): _name_without_wrappers(model, name)
        for name, tensor in [*model.named_buffers(), *model.named_parameters()]
    }


def _name_without_wrappers(model: nn.Module, name: str) -> str:
    """The name that a tensor has in an arm without wrappers; a wrapper's own tensors go by the wrapper's type.

    A module that is put around another one says so by the attribute ``wraps``, the name of the inner one: what
    ``decode_head.head.conv`` is in one arm, ``decode_head.conv`` is in the other.
    """
    module, steps = model, []
    for step in name.split('.'):
        inner = getattr(module, 'wraps', None)
        if isinstance(inner, str) and step != inner:
            steps.append(type(module).__name__)
        if not isinstance(inner, str) or step != inner:
            steps.append(step)
        module = getattr(module, step)
    return '.'.join(steps)


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, NumPy and torch, those of all devices."""
    seed_transforms(seed)
    torch.manual_seed(seed)


def construct_by_name(cfg: dict, seed: int) -> nn.Module:
    """Build a model of which every randomly drawn tensor depends on (seed, its name, how it is drawn) alone.

    The model is built twice: once to learn which random operation writes which parameter, and once with each of these
    operations seeded by that parameter's name. Whatever a constructor does beside drawing (constants, weights that it
    loads, an initialisation after the layer's own) it does as always. What is drawn into a tensor that is no parameter
    (and copied from there) is seeded by its number among such draws.

    Args:
        cfg: Config of the model.
        seed: Seed of the run.
    """
    written: list[Tensor] = []  # held, so that no later tensor gets the storage of one that is gone
    with isolated_random_state():
        seed_everything(stream(seed, 'construction'))
        with _RandomOperations(after=written.append):
            names = _names_by_storage(MODELS.build(copy.deepcopy(cfg)))
        storages = [tensor.untyped_storage().data_ptr() for tensor in written]
        unnamed = [storage for storage in storages if storage not in names]
        words = iter([names.get(storage) or f'no parameter {unnamed.index(storage)}' for storage in storages])
        seed_everything(stream(seed, 'construction'))
        with _RandomOperations(
            before=lambda _: torch.manual_seed(stream(seed, 'construction', next(words, 'and more')))
        ):
            return MODELS.build(copy.deepcopy(cfg))


def initialise_by_name(model: nn.Module, cfg: dict, seed: int) -> None:
    """Initialise ``model`` so that every random parameter depends on (seed, its name, its initialiser) alone.

    It gets the values of :func:`construct_by_name`; then its ``init_weights`` (mmengine's ``init_cfg``) runs as usual,
    with each draw into a parameter seeded by that parameter's name.

    Args:
        model: The model to initialise, in place.
        cfg: The config that it was built from.
        seed: Seed of the run.
    """
    constructed = construct_by_name(cfg, seed)
    own = dict([*model.named_buffers(), *model.named_parameters()])
    for name, tensor in [*constructed.named_buffers(), *constructed.named_parameters()]:
        own[name].data.copy_(tensor.data)
    names = _names_by_storage(model)

    def seed_by_name(args: tuple) -> None:
        target = args[0] if args and isinstance(args[0], Tensor) else None
        if target is not None and target.untyped_storage().data_ptr() in names:
            name = names[target.untyped_storage().data_ptr()]
            torch.manual_seed(stream(seed, 'initialisation', name))

    with isolated_random_state(), _RandomOperations(before=seed_by_name):
        seed_everything(stream(seed, 'initialisation'))
        if hasattr(model, 'init_weights'):
            model.init_weights()


@HOOKS.register_module()
class PairedArmsHook(Hook):
    """Give arms with the same seed the same start.

    Before the first step: parameters are initialised by name (:func:`initialise_by_name`), and the global generators,
    which dropout draws from, are seeded anew, because initialising has used them differently in each arm.

    Args:
        num_threads: Threads of each operation on the CPU; the sums, and so the weights, depend on it. None leaves
            torch's choice.
    """

    priority = 'VERY_HIGH'

    def __init__(self, num_threads: int | None = None) -> None:
        self.num_threads = num_threads
        self._initialised = False

    def before_run(self, runner) -> None:
        """Set the threads, and initialise the model when it is about to be trained."""
        if self.num_threads is not None:
            torch.set_num_threads(self.num_threads)
        if not isinstance(runner._train_loop, BaseLoop) or self._initialised:
            return  # a test run: its weights come from a checkpoint, or from the training before it
        self._initialised = True
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        # The runner calls init_weights once more after this hook; mmengine's modules then see that it is done.
        initialise_by_name(model, runner.cfg.model, runner.seed)

    def before_train(self, runner) -> None:
        """Seed the generators that training itself draws from."""
        seed_everything(stream(runner.seed, 'training'))
