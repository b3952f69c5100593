"""Training through ``torch.compile``."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from plugins.hooks.compiled_networks import CompiledNetworks
from plugins.hooks.segmentor_parts import networks, segmentors


@HOOKS.register_module()
class CompileTrainingHook(Hook):
    """Compile backbone, neck and heads during training. Data loading, losses and the optimizer are not compiled.

    mmengine's ``compile`` option compiles the whole ``train_step``, which breaks into one graph per log value. Blocks
    under gradient checkpointing are left out of the graphs. With ``'inductor'``, the first step takes minutes.

    Ansel et al., PyTorch 2: Faster Machine Learning Through Dynamic Python Bytecode Transformation and Graph
    Compilation, ASPLOS 2024.

    Args:
        backend: The compiler, see :class:`~plugins.hooks.compiled_networks.CompiledNetworks`.
        dynamic: Whether a graph serves all image sizes. None: it does from the second size on.

    Attributes:
        acted: How often a compiled graph ran; None if nothing was trained.
    """

    priority = 'LOW'  # after the hooks that change the modules

    def __init__(self, backend: str = 'inductor', dynamic: bool | None = None) -> None:
        self._compiled = CompiledNetworks(backend, dynamic, training=True)
        self._began = False

    @property
    def acted(self) -> int | None:
        """How often a compiled graph ran; None if nothing was trained."""
        return self._compiled.times if self._began else None

    def before_train(self, runner: Runner) -> None:
        """Compile the networks of the model that is about to be trained."""
        self._began = True
        self._compiled.compile([part for segmentor in segmentors(runner.model) for part in networks(segmentor)])

    def after_train(self, runner: Runner) -> None:
        """Restore the uncompiled networks."""
        self._compiled.restore()
