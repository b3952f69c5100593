"""Testing through ``torch.compile``."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from plugins.hooks.compiled_networks import CompiledNetworks
from plugins.hooks.segmentor_parts import networks, segmentors


@HOOKS.register_module()
class CompileInferenceHook(Hook):
    """Compile backbone, neck and heads of each tested segmentor.

    mmengine's ``compile`` option compiles the training step only. This hook also works if other hooks have replaced
    ``runner.model``, by views or by an ensemble. With ``'inductor'``, the first image takes minutes, and so does the
    first image of another size.

    Ansel et al., PyTorch 2: Faster Machine Learning Through Dynamic Python Bytecode Transformation and Graph
    Compilation, ASPLOS 2024.

    Args:
        backend: The compiler, see :class:`~plugins.hooks.compiled_networks.CompiledNetworks`.
        dynamic: Whether a graph serves all image sizes. None: it does from the second size on.

    Attributes:
        acted: How often a compiled graph ran; None if nothing was tested.
    """

    priority = 'LOW'  # after the hooks that replace the model

    def __init__(self, backend: str = 'inductor', dynamic: bool | None = None) -> None:
        self._compiled = CompiledNetworks(backend, dynamic, training=False)
        self._began = False

    @property
    def acted(self) -> int | None:
        """How often a compiled graph ran; None if nothing was tested."""
        return self._compiled.times if self._began else None

    def before_test(self, runner: Runner) -> None:
        """Compile the networks of the model that is about to be tested."""
        self._began = True
        self._compiled.compile([part for segmentor in segmentors(runner.model) for part in networks(segmentor)])

    def after_test(self, runner: Runner) -> None:
        """Restore the uncompiled networks."""
        self._compiled.restore()
