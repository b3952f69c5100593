"""Equal initial weights and an equal number of threads for all arms of an ablation.

mmengine draws all parameters from one generator, in the order of construction. One more layer in one arm therefore
changes all parameters after it. :class:`PairedArmsHook` draws each parameter again, as a function of the seed and the
name of the parameter.
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

from plugins.arguments import check_whole
from plugins.datasets.paired import isolated_random_state, seed_transforms, stream


class _RandomOperations(TorchDispatchMode):
    """Call a function before and after each random operation of torch.

    Args:
        before: Called with the arguments of the operation; it may seed the generator.
        after: Called with the result of the operation.
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
    """The name that a tensor would have without wrapper modules, so that arms with and without a wrapper agree.

    A module that wraps another module has an attribute ``wraps``, the name of its child. With ``wraps = 'head'`` the
    tensor ``decode_head.head.conv`` gets the name ``decode_head.conv``. The name of a wrapper's own tensor contains the
    type of the wrapper.
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
    """Seed the generators of Python, NumPy and torch, on all devices."""
    seed_transforms(seed)
    torch.manual_seed(seed)


def construct_by_name(cfg: dict, seed: int) -> nn.Module:
    """Build a model in which each random tensor depends on the seed, its name and its distribution alone.

    The model is built twice. The first construction shows which random operation writes which parameter. In the second
    construction, each of these operations is seeded by the name of its parameter. All other actions of a constructor
    stay the same: constants, loaded weights, a second initialisation. An operation that writes a tensor other than a
    parameter is seeded by its number among such operations.

    Args:
        cfg: Config of the model.
        seed: Seed of the run.

    Returns:
        The model. The global random state is the same as before the call.
    """
    written: list[Tensor] = []  # kept alive, so that no later tensor reuses the storage of an earlier one
    with isolated_random_state():
        seed_everything(stream(seed, 'construction'))
        with _RandomOperations(after=written.append):
            names = _names_by_storage(MODELS.build(copy.deepcopy(cfg)))
        storages = [tensor.untyped_storage().data_ptr() for tensor in written]
        unnamed = [storage for storage in storages if storage not in names]
        words = iter([names.get(storage) or f'no parameter {unnamed.index(storage)}' for storage in storages])
        seed_everything(stream(seed, 'construction'))
        with _RandomOperations(
            before=lambda _: torch.manual_seed(stream(seed, 'construction', next(words, 'and more')))  # type: ignore[arg-type]
        ):
            return MODELS.build(copy.deepcopy(cfg))


def initialise_by_name(model: nn.Module, cfg: dict, seed: int) -> None:
    """Initialise a model so that each random parameter depends on the seed, its name and its initialiser alone.

    The model gets the values of :func:`construct_by_name`. Then its ``init_weights`` (mmengine's ``init_cfg``) runs as
    usual, but each random operation on a parameter is seeded by the name of the parameter.

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
            model.init_weights()  # type: ignore[operator]


@HOOKS.register_module()
class PairedArmsHook(Hook):
    """Give arms with the same seed the same initial weights and the same random numbers.

    Before the first step, the hook initialises parameters by name (:func:`initialise_by_name`) and seeds the global
    generators again. Dropout draws from these generators, and the initialisation has advanced them differently in each
    arm.

    Args:
        num_threads: Threads of each CPU operation. Sums, and therefore the trained weights, depend on this number. None
            keeps torch's default.
    """

    priority = 'VERY_HIGH'

    def __init__(self, num_threads: int | None = None) -> None:
        if num_threads is not None:
            check_whole('num_threads', num_threads, least=1)
        self.num_threads = num_threads
        self._initialised = False

    def before_run(self, runner) -> None:
        """Set the number of threads; before a training also initialise the model."""
        if self.num_threads is not None:
            torch.set_num_threads(self.num_threads)
        if not isinstance(runner._train_loop, BaseLoop) or self._initialised:
            return  # a test: its weights come from a checkpoint or from the training before it
        self._initialised = True
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        # After this hook the runner calls init_weights again, which mmengine's modules ignore the second time.
        initialise_by_name(model, runner.cfg.model, runner.seed)

    def before_train(self, runner) -> None:
        """Seed the generators from which the training draws."""
        seed_everything(stream(runner.seed, 'training'))
