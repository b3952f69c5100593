"""The feature maps that a model's backbone and neck give to its heads, measured on one image."""

import copy
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.files import digest, read_json, write_json
from benchmarks.stacks.imports import import_quietly, quieten_mmengine
from benchmarks.stacks.plugin_code import PluginCode
from benchmarks.stacks.references import Levels

# Large enough for a stride of 32 and windows of 7; small enough for a full-size backbone to take a second.
IMAGE_SIZE = 128


def probe_levels(config: Mapping[str, Any]) -> Levels:
    """Build the backbone and the neck of ``config``, and measure the feature maps that they give.

    Args:
        config: A config with ``model`` and ``custom_imports``.

    Raises:
        BadInput: They do not build, fail on the image, or give something else than feature maps (N, C, H, W).
    """
    import torch
    from mmengine.config import ConfigDict

    for name in ['mmseg.models', *(config.get('custom_imports') or {}).get('imports', [])]:
        try:
            import_quietly(name)
        except Exception as error:
            raise BadInput(f"importing '{name}' fails: {type(error).__name__}: {error}") from error
    from mmengine.registry import DefaultScope
    from mmseg.registry import MODELS

    quieten_mmengine()
    model = config['model']
    parts = [copy.deepcopy(ConfigDict(model[name])) for name in ('backbone', 'neck') if model.get(name)]
    height, width = _image_size(model)
    try:
        with (
            warnings.catch_warnings(),
            torch.random.fork_rng(),
            torch.no_grad(),
            DefaultScope.overwrite_default_scope('mmseg'),
        ):
            warnings.simplefilter('ignore')
            maps: Any = torch.zeros(1, model['backbone'].get('in_channels', 3), height, width)
            for part in parts:
                module = MODELS.build(part)
                module.eval()  # on its own line: mmseg's UNet.train returns None
                maps = module(maps)
    except Exception as error:
        raise BadInput(
            f"the feature maps that reach the heads cannot be found, because the model's backbone or neck "
            f'fails on an image of {height}×{width}: {type(error).__name__}: {error}'
        ) from error
    maps = list(maps) if isinstance(maps, (list, tuple)) else [maps]
    if not all(isinstance(level, torch.Tensor) and level.dim() == 4 for level in maps):
        raise BadInput(
            f"the backbone '{model['backbone'].get('type')}' gives something else than feature maps "
            f'(N, C, H, W), so no overlay can refer to their channels or strides'
        )
    return Levels([level.shape[1] for level in maps], [round(height / level.shape[2]) for level in maps])


def _image_size(model: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width of the image. A transformer with a fixed grid of positions accepts only its ``img_size``."""
    fixed = model['backbone'].get('img_size', IMAGE_SIZE)
    return tuple(fixed) if isinstance(fixed, (list, tuple)) else (fixed, fixed)


def remembered_levels(cache: Path, versions: Mapping[str, str]) -> Callable[[Mapping[str, Any]], Levels]:
    """:func:`probe_levels`, which takes seconds, with a cache on disk.

    Args:
        cache: The folder of the cache's files.
        versions: Versions of the frameworks. An answer holds for one backbone, one neck, the code of their plugins and
            these versions.
    """

    def probe(config: Mapping[str, Any]) -> Levels:
        parts = {name: config['model'].get(name) for name in ('backbone', 'neck')}
        code = PluginCode(config['custom_imports']['imports']).modules_reached(parts)
        path = cache / f'levels_{digest([parts, code, dict(versions)])[:40]}.json'
        known = read_json(path)
        if not isinstance(known, dict):
            known = vars(probe_levels(config))
            write_json(path, known)
        return Levels(**known)

    return probe
