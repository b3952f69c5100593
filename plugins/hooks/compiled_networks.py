"""The networks of a segmentor through ``torch.compile``, with a count of the compiled graphs that really ran."""

from collections.abc import Callable, Sequence

import torch
import torch._dynamo
from torch import nn
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from plugins.hooks.replaced_methods import ReplacedMethods


class CompiledNetworks:
    """Replace the forward pass of modules by a compiled one, and restore it.

    Only ``forward`` is replaced: modules and parameters keep their names in checkpoints. Code that cannot be captured
    in a graph runs uncompiled (a graph break).

    Args:
        backend: The compiler: ``'inductor'`` (on a CPU it needs a C++ compiler), ``'aot_eager'`` and ``'eager'``
            (which capture graphs and generate no code), or another name in ``torch.compiler.list_backends()``.
        dynamic: Whether a graph serves all image sizes. None: the first graph serves its size, the second all sizes.
        training: True compiles the modules in training mode, False in evaluation mode.

    Attributes:
        times: How often a compiled graph ran.

    Raises:
        ValueError: torch has no such backend.
    """

    def __init__(self, backend: str, dynamic: bool | None, training: bool) -> None:
        try:
            self._generate = torch._dynamo.lookup_backend(backend)
        except Exception as error:
            known = ', '.join(torch.compiler.list_backends())
            raise ValueError(f'backend={backend!r} cannot be had ({error}); known are: {known}') from error
        self.backend, self.dynamic, self.training = backend, dynamic, training
        self.times = 0
        self._methods = ReplacedMethods()

    def compile(self, modules: Sequence[nn.Module]) -> None:
        """Compile ``modules`` on their first call, and again for inputs of another dtype or number of dimensions.

        Raises:
            RuntimeError: The backend needs a C++ compiler, and none is installed.
        """
        self.restore()
        for module in modules:
            _require_compiler(self.backend, next(module.parameters()).device)
            self._methods.replace(module, 'forward', self._compiled(module))

    def restore(self) -> None:
        """Restore the uncompiled modules."""
        self._methods.restore()

    def _compiled(self, module: nn.Module) -> Callable:
        as_ever = module.forward
        compiled = torch.compile(as_ever, backend=self._counting, dynamic=self.dynamic)

        def forward(*args, **kwargs):
            # A dispatch mode, such as a FLOP counter, sees no operations inside generated code.
            if module.training != self.training or is_in_torch_dispatch_mode():
                return as_ever(*args, **kwargs)
            return compiled(*args, **kwargs)

        return forward

    def _counting(self, graph: torch.fx.GraphModule, inputs: Sequence) -> Callable:
        run = self._generate(graph, inputs)  # type: ignore[arg-type]

        def counted(*args):
            self.times += 1
            return run(*args)

        return counted


def _require_compiler(backend: str, device: torch.device) -> None:
    if backend != 'inductor' or device.type != 'cpu':
        return
    from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        get_cpp_compiler()
    except Exception as error:
        raise RuntimeError(
            f"backend='inductor' needs a C++ compiler on the CPU, and there is none ({error}); install "
            "g++ or clang, name yours in the variable CXX, or give backend='aot_eager'"
        ) from error
