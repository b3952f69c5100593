"""What a training leaves for TensorBoard, MLflow, Weights & Biases: the files of mmengine's ``vis_backends``.

A baseline's ``visualizer.vis_backends`` write into a folder that is dropped when a stage ends. The files of backends
of a training are kept in its result, ``store/train/<key>/vis_data``. ``LocalVisBackend`` alone keeps nothing, because
the log of the stage and its facts say the same. Only trainings speak to backends: a stage that tests would open a run
of its own with each of them, and one that measures would measure them, too.
"""

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.visualization import BaseVisBackend

FOLDER = 'vis_data'
OWN = 'LocalVisBackend'


def other_backends(config: Mapping[str, Any]) -> list[str]:
    """The types of the backends beside mmengine's own."""
    backends = (config.get('visualizer') or {}).get('vis_backends') or []
    types = [str(backend['type']) for backend in backends]
    return [name for name in types if name.rpartition('.')[2] != OWN]


def leave_to_trainings(cfg: Config) -> None:
    """Take the other backends out of the config of a runner that tests."""
    if other_backends(cfg):
        own = [one for one in cfg.visualizer.vis_backends if str(one['type']).rpartition('.')[2] == OWN]
        cfg.visualizer = {**cfg.visualizer, 'vis_backends': own}


def keep_vis_data(runner: Runner, config: Mapping[str, Any], folder: Path) -> None:
    """Close the backends of a training that has ended or failed, and move their files where the result keeps them.

    Args:
        runner: The training's runner, whose files lie in ``folder/run``.
        config: The resolved config.
        folder: The stage's working folder.
    """
    if not other_backends(config):
        return
    for backend in runner.visualizer._vis_backends.values():
        try:
            _close(backend)
        except Exception:  # a server that is gone must cost neither the training nor what the other backends have
            traceback.print_exc()
    for written in sorted((folder / 'run').glob(f'*/{FOLDER}')):
        written.rename(folder / FOLDER)
    _drop_links(folder / FOLDER)


def _close(backend: BaseVisBackend) -> None:
    """Close a backend. Weights & Biases no longer has the function that mmengine's backend calls for that."""
    wandb = getattr(backend, '_wandb', None)
    if wandb is None:
        backend.close()
    else:
        wandb.finish()


def _drop_links(folder: Path) -> None:
    """Remove links to files elsewhere: these are no part of the result, and may still be written."""
    for path in sorted(folder.rglob('*')):
        if path.is_symlink() and not (path.exists() and path.resolve().is_relative_to(folder.resolve())):
            path.unlink()
