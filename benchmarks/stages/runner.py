"""mmengine's Runner for a stage: built from the resolved config, working in the stage's folder."""

import copy
import logging
from pathlib import Path
from typing import cast

from mmengine.config import Config
from mmengine.dist import is_distributed
from mmengine.runner import Runner

from benchmarks.stages.checkpoints import stored
from benchmarks.stages.contracts import InferenceModel
from benchmarks.stages.vis_data import leave_to_trainings
from benchmarks.stages.written_places import written_inside


def build_runner(config: dict, work_dir: Path, checkpoint: Path | None = None) -> Runner:
    """A Runner for ``config`` whose files go to ``work_dir``, whatever places the config names for them.

    Args:
        config: A resolved config, whose ``custom_imports`` have been imported.
        work_dir: Where logs and checkpoints go.
        checkpoint: A stored checkpoint to test with; it is read without executing anything in it.
    """
    cfg = Config(copy.deepcopy(written_inside(config)))
    cfg.work_dir = str(work_dir)
    cfg.launcher = 'pytorch' if is_distributed() else 'none'
    cfg.experiment_name = work_dir.parent.name
    if checkpoint is not None:
        cfg.load_from = stored(checkpoint)
        leave_to_trainings(cfg)
    logging.getLogger('mmengine').propagate = False
    return Runner.from_cfg(cfg)


def open_inference(runner: Runner) -> InferenceModel:
    """Bring ``runner`` to the point where its test loop would predict the first image.

    All hooks that act before a test have run. A hook of the config has replaced the model by an inference model.

    Returns:
        The model that would predict, ``runner.model``.
    """
    runner._test_loop = runner.build_test_loop(runner._test_loop)
    runner.call_hook('before_run')
    runner.load_or_resume()
    runner.call_hook('before_test')
    runner.call_hook('before_test_epoch')
    runner.model.eval()
    return cast(InferenceModel, runner.model)  # torch types it as a plain module
