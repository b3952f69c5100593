"""Splits of small pictures."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from benchmarks.data.split import Split


@pytest.fixture
def make_split(tmp_path):
    """Writes a split of n images of 6×8 pixels below a folder of ``tmp_path``.

    ``labels`` are those of every mask, or with ``each=True`` those of one mask each.
    """

    def make(folder='data', labels=(0, 1), n=5, seed=0, name='train', each=False, **fields):
        rng = np.random.default_rng(seed)
        images, masks = [], []
        for i in range(n):
            of_mask = labels[i % len(labels)] if each else labels
            pixels = np.resize(np.array(of_mask, np.uint16 if max(of_mask) > 255 else np.uint8), (6, 8))
            for kind, content, paths in (
                ('img', rng.integers(0, 256, (6, 8, 3), np.uint8), images),
                ('ann', pixels, masks),
            ):
                path = tmp_path / folder / kind / f'{i}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(content).save(path)
                paths.append(str(path))
        names = [str(i) for i in range(n)]
        root = str(tmp_path / folder / 'img')
        split = Split(name, images, masks, names, names, False, ('a', 'b'), None, False, None, 255, (root,))
        return replace(split, **fields)

    return make
