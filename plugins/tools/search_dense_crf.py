"""Search the parameters of the dense CRF on validation images.

    python -m plugins.tools.search_dense_crf configs/baselines/unet_small_icbm152.py checkpoint.pth

The command predicts the *validation* split of the config once. It refines the probabilities with each combination of
``GRID``, and prints the mean foreground Dice of each combination, the best one last. Test images are never read,
because parameters chosen on them would make the CRF look better than it is.
"""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from mmengine.config import Config
from mmengine.runner import Runner

from plugins.datasets.wrapped import void_label
from plugins.hooks.image_changes import InfosByPath, SeenImages
from plugins.hooks.inference import build_inference_model
from plugins.refine.dense_crf import dense_crf
from plugins.refine.most_likely import most_likely
from plugins.views.merge import dequantise

# Bilateral spreads from a fraction of the noise to several times the noise. Weights from almost none to those of
# pydensecrf's examples.
GRID = dict(
    gaussian_sxy=(1, 3),
    gaussian_compat=(0.3, 1, 3),
    bilateral_sxy=(5, 20, 80),
    bilateral_srgb=(13, 40, 100),
    bilateral_compat=(0, 0.3, 1, 3, 10),
)


def foreground_dice(labels: np.ndarray, truth: np.ndarray, num_classes: int, void: int = 255) -> float:
    """The mean of Dice, 2 tp / (2 tp + fp + fn), over the foreground classes in either map.

    Args:
        labels: Predicted labels (H, W).
        truth: True labels (H, W); pixels with the label ``void`` do not count.
        num_classes: Number of classes C; class 0 is the background.
        void: Label of pixels without a true class.

    Returns:
        Dice in [0, 1]; NaN if neither map has a foreground class.
    """
    seen = truth != void
    scores = []
    for c in range(1, num_classes):
        mine, theirs = (labels == c) & seen, (truth == c) & seen
        if mine.any() or theirs.any():
            scores.append(2 * (mine & theirs).sum() / (mine.sum() + theirs.sum()))
    return float(np.mean(scores)) if scores else float('nan')


def combinations(grid: dict) -> Iterator[dict]:
    """All combinations of the values of a grid. If the weight of a kernel is 0, its spreads are not varied."""
    done = set()
    for values in itertools.product(*grid.values()):
        parameters = dict(zip(grid, values))
        for kernel in ('gaussian', 'bilateral'):
            if not parameters[f'{kernel}_compat']:
                parameters.update({name: grid[name][0] for name in grid if name.startswith(f'{kernel}_s')})
        if (key := tuple(parameters.values())) not in done:
            done.add(key)
            yield parameters


def validation_maps(config: Path, checkpoint: Path) -> tuple[list[tuple[np.ndarray, np.ndarray, np.ndarray]], int]:
    """Predict the validation split.

    Returns:
        For each image its probabilities float32 (C, H, W), the image as a refinement sees it, uint8 RGB (H, W, 3), and
        its true labels (H, W); and the label of void pixels.
    """
    cfg = Config.fromfile(config)
    cfg.load_from = str(checkpoint)
    with TemporaryDirectory() as folder:
        cfg.work_dir = folder
        runner = Runner.from_cfg(cfg)
        runner.load_or_resume()
        runner.model.eval()
        model = build_inference_model(runner.model, None)
        dataset = runner.val_dataloader.dataset
        images = SeenImages(cfg.val_dataloader.dataset, InfosByPath(lambda: dataset))
        found = []
        for batch in runner.val_dataloader:
            for q, sample in zip(model.merged_maps(batch), batch['data_samples']):
                found.append((dequantise(q), images.read(sample.img_path), sample.gt_sem_seg.data[0].numpy()))
    return found, void_label(dataset)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit with status 2 and a message if the input is wrong."""
    parser = argparse.ArgumentParser(
        prog='python -m plugins.tools.search_dense_crf', description=__doc__.split('\n')[0]
    )
    parser.add_argument('config', type=Path, help='config of the model, with a validation split')
    parser.add_argument('checkpoint', type=Path, help='checkpoint of the model')
    options = parser.parse_args(arguments)
    for path in (options.config, options.checkpoint):
        if not path.is_file():
            parser.exit(2, f'{path} is missing\n')
    maps, void = validation_maps(options.config, options.checkpoint)
    plain = np.nanmean([foreground_dice(most_likely(probs), truth, len(probs), void) for probs, _, truth in maps])
    scores = []
    for parameters in combinations(GRID):
        refined = (most_likely(dense_crf(probs, image, **parameters)) for probs, image, _ in maps)
        scores.append(
            (
                np.nanmean(
                    [
                        foreground_dice(labels, truth, len(probs), void)
                        for labels, (probs, _, truth) in zip(refined, maps)
                    ]
                ),
                parameters,
            )
        )
    for score, parameters in sorted(scores, key=lambda item: item[0]):
        print(f'{100 * score:6.2f}  {parameters}')
    print(f'{100 * plain:6.2f}  without the CRF, on {len(maps)} validation images')


if __name__ == '__main__':
    main()
