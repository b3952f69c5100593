"""Can the initial weights that a config names (``pretrained``, ``init_cfg``, ``load_from``) be loaded?

Without a network connection mmengine fails during the training, with a URLError that names no file.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import Request, urlopen

from benchmarks.errors import Mistakes
from benchmarks.plan.keys import WEIGHTS
from benchmarks.stacks.tree import walk

SECONDS = 10


def weights_named(config: Any) -> Iterator[tuple[str, str]]:
    """(dotted path, name) of all initial weights in a config: `pretrained`, `init_cfg.checkpoint`, `load_from`."""
    for path, value in walk(config):
        if isinstance(value, str) and path and path[-1] in WEIGHTS:
            yield '.'.join(map(str, path)), value


def url_of(name: str) -> str | None:
    """The URL from which mmengine would load `name`; None for a file."""
    from mmengine.runner.checkpoint import get_external_models

    if name.startswith(('http://', 'https://')):
        return name
    prefix, found, rest = name.partition('://')
    if found and prefix in ('open-mmlab', 'openmmlab'):
        known = get_external_models().get(rest)
        return known if known and known.startswith('http') else None
    return None


def file_of(name: str) -> Path | None:
    """The file on this machine from which mmengine would load `name`; None if there is none."""
    url = url_of(name)
    file = Path(name) if url is None else _downloaded(url)
    return file if file.is_file() else None


def _downloaded(url: str) -> Path:
    import torch

    return Path(torch.hub.get_dir()) / 'checkpoints' / os.path.basename(urlparse(url).path)


def check_initial_weights(config: dict, origin: str) -> None:
    """Refuse a file that does not exist, and a URL that cannot be reached and is not in torch's cache.

    Raises:
        BadInput: Weights cannot be loaded; names for each the key, the URL, the file where the user may put it, and the
            option that leaves it out.
    """
    mistakes = Mistakes()
    for place, name in weights_named({key: config.get(key) for key in ('model', 'load_from') if config.get(key)}):
        url = url_of(name)
        if url is None:
            if '://' not in name and not os.path.isfile(name):
                mistakes.all.append(f"{origin}: '{place}' names the weights {name}, a file that does not exist")
            continue
        file = _downloaded(url)
        if file.is_file():
            continue
        try:
            urlopen(Request(url, method='HEAD'), timeout=SECONDS).close()
        except OSError as error:
            mistakes.all.append(
                f"{origin}: '{place}' names initial weights on the web, {url}, which cannot be reached ({error}). "
                f'Download the file elsewhere and put it at {file}, or train from random weights: '
                f'--cfg-options {place.removesuffix(".checkpoint")}=None'
            )
    mistakes.refuse()
