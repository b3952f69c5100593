"""Choose the dense CRF's parameters on validation images.

    python -m plugins.tools.search_dense_crf configs/baselines/unet_small_icbm152.py checkpoint.pth

predicts the config's *validation* split once, tries every combination of ``GRID`` on the stored probabilities, and
prints the mean foreground Dice of each, best last. Test images are never read: parameters chosen on them would make the
CRF look better than it is.
"""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import mmcv
import numpy as np
from mmengine.config import Config
from mmengine.runner import Runner

from plugins.hooks.inference import build_inference_model
from plugins.refine.dense_crf import dense_crf
from plugins.refine.most_likely import most_likely
from plugins.views.merge import dequantise

# Bilateral widths from a fraction of the noise to several times it; compatibilities from a nudge to pydensecrf's own.
GRID = dict(
    gaussian_sxy=(1, 3),
    gaussian_compat=(0.3, 1, 3),
    bilateral_sxy=(5, 20, 80),
    bilateral_srgb=(13, 40, 100),
    bilateral_compat=(0, 0.3, 1, 3, 10),
)


def foreground_dice(labels: np.ndarray, truth: np.ndarray, num_classes: int, void: int = 255) -> float:
    """Mean over the classes from 1 that either map holds of 2 tp / (2 tp + fp + fn); NaN when there are none.

    Args:
        labels: Predicted labels (H, W).
        truth: True labels (H, W); pixels labelled ``void`` do not count.
        num_classes: C; class 0 is background.
        void: Label of pixels without truth.
    """
    seen = truth != void
    scores = []
    for c in range(1, num_classes):
        mine, theirs = (labels == c) & seen, (truth == c) & seen
        if mine.any() or theirs.any():
            scores.append(2 * (mine & theirs).sum() / (mine.sum() + theirs.sum()))
    return float(np.mean(scores)) if scores else float('nan')


def combinations(grid: dict) -> Iterator[dict]:
    """All combinations of a grid's values; where a compatibility is 0, the widths of its kernel are not varied."""
    done = set()
    for values in itertools.product(*grid.values()):
        parameters = dict(zip(grid, values))
        for kernel in ('gaussian', 'bilateral'):
            if not parameters[f'{kernel}_compat']:
                parameters.update({name: grid[name][0] for name in grid if name.startswith(f'{kernel}_s')})
        if (key := tuple(parameters.values())) not in done:
            done.add(key)
            yield parameters


def validation_maps(config: Path, checkpoint: Path) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Probabilities float32 (C, H, W), image uint8 (H, W, 3) RGB and truth (H, W) of each validation image."""
    cfg = Config.fromfile(config)
    cfg.load_from = str(checkpoint)
    with TemporaryDirectory() as folder:
        cfg.work_dir = folder
        runner = Runner.from_cfg(cfg)
        runner.load_or_resume()
        runner.model.eval()
        model = build_inference_model(runner.model, None)
        found = []
        for batch in runner.val_dataloader:
            for q, sample in zip(model.merged_maps(batch), batch['data_samples']):
                image = mmcv.imread(sample.img_path, channel_order='rgb')
                found.append((dequantise(q), image, sample.gt_sem_seg.data[0].numpy()))
    return found


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('config', type=Path)
    parser.add_argument('checkpoint', type=Path)
    args = parser.parse_args()
    maps = validation_maps(args.config, args.checkpoint)
    plain = np.nanmean([foreground_dice(most_likely(probs), truth, len(probs)) for probs, _, truth in maps])
    scores = []
    for parameters in combinations(GRID):
        refined = (most_likely(dense_crf(probs, image, **parameters)) for probs, image, _ in maps)
        scores.append(
            (
                np.nanmean(
                    [foreground_dice(labels, truth, len(probs)) for labels, (probs, _, truth) in zip(refined, maps)]
                ),
                parameters,
            )
        )
    for score, parameters in sorted(scores, key=lambda item: item[0]):
        print(f'{100 * score:6.2f}  {parameters}')
    print(f'{100 * plain:6.2f}  without the CRF, on {len(maps)} validation images')


if __name__ == '__main__':
    main()
