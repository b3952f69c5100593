"""Combine the checkpoints of several networks into the checkpoint of an ensemble.

    python -m plugins.tools.combine_checkpoints --out ensemble.pth unet.py unet.pth pspnet.py pspnet.pth

Test the ensemble with the first config and mmsegmentation's ``tools/test.py``. This config needs
``custom_hooks = [dict(type='EnsembleHook')]`` (:mod:`plugins.hooks.ensemble`).
"""

import argparse
import os
import pickle

import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import get_torch_safe_globals

from plugins.hooks.ensemble import combine


def combine_files(members: list[tuple[str, str]], out: str) -> None:
    """Combine checkpoint files.

    Args:
        members: The config file and the checkpoint file of each member; first the member whose config is tested.
        out: The checkpoint file to write. It appears complete or not at all.

    Raises:
        ValueError: There are fewer than two members, a checkpoint is damaged or has no ``state_dict``, or reading it
            could execute code.
        FileNotFoundError: A file is missing.
    """
    if len(members) < 2:
        raise ValueError('an ensemble needs two members at least; give a config and a checkpoint for each')
    rows = []
    for config, checkpoint in members:
        weights = _read(checkpoint)
        if not isinstance(weights, dict) or 'state_dict' not in weights:
            raise ValueError(f'{checkpoint} is no checkpoint of mmengine: it has no state_dict')
        rows.append((weights, Config.fromfile(config).model.to_dict()))
    scratch = f'{out}.part'
    torch.save(combine(rows), scratch)
    os.replace(scratch, out)


def _read(checkpoint: str) -> dict:
    """Read a checkpoint without executing anything in it: tensors, plain values and mmengine's state of a training."""
    with torch.serialization.safe_globals(get_torch_safe_globals()):
        try:
            return torch.load(checkpoint, map_location='cpu', weights_only=True)
        except pickle.UnpicklingError as error:
            raise ValueError(
                f'{checkpoint} holds something else than weights and the state of a training; reading it could execute '
                'code, so it is refused'
            ) from error
        except (RuntimeError, EOFError) as error:
            raise ValueError(f'{checkpoint} is damaged or no checkpoint ({error}); copy or train it again') from error


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit with status 2 and a message if the input is wrong."""
    parser = argparse.ArgumentParser(
        prog='python -m plugins.tools.combine_checkpoints', description=__doc__.split('\n')[0]
    )
    parser.add_argument('members', nargs='+', metavar='CONFIG CHECKPOINT', help='config and checkpoint of each member')
    parser.add_argument('--out', required=True, help='checkpoint file to write')
    options = parser.parse_args(arguments)
    try:
        if len(options.members) % 2:
            raise ValueError(f'{len(options.members)} files are given; a config and a checkpoint belong to each member')
        combine_files(list(zip(options.members[::2], options.members[1::2])), options.out)
    except (FileNotFoundError, ValueError) as error:
        parser.exit(2, f'{error}\n')


if __name__ == '__main__':
    main()
