"""mmengine's Runner for a stage: built from the resolved config, working in the stage's folder."""

import copy
import logging
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn


def build_runner(config: dict, work_dir: Path, checkpoint: Path | None = None) -> Runner:
    """A Runner for ``config`` whose files go to ``work_dir``.

    Args:
        config: A resolved config, whose ``custom_imports`` have been imported.
        work_dir: Where logs and checkpoints go.
        checkpoint: Weights to load before training or testing.
    """
    cfg = Config(copy.deepcopy(config))
    cfg.work_dir = str(work_dir)
    cfg.launcher = 'none'
    cfg.experiment_name = work_dir.parent.name
    if checkpoint is not None:
        cfg.load_from = str(checkpoint)
    logging.getLogger('mmengine').propagate = False
    return Runner.from_cfg(cfg)


def open_inference(runner: Runner) -> nn.Module:
    """Bring ``runner`` to where its test loop would predict the first image, and give the model that would predict it.

    All hooks have acted that act before a test, so whatever they put in the model's place (views, refinements, averaged
    weights) is there. The model has ``merged_maps(batch)`` and ``refine(map, img_path)``.
    """
    runner._test_loop = runner.build_test_loop(runner._test_loop)
    runner.call_hook('before_run')
    runner.load_or_resume()
    runner.call_hook('before_test')
    runner.call_hook('before_test_epoch')
    runner.model.eval()
    return runner.model
