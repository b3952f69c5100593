"""Segment a folder of new images with a stack that was exported from a grid.

    python -m plugins.tools.segment_folder exported/ images/ --out segmented/

``exported/`` is a folder that ``python run_ablation.py --export`` has written: ``config.py`` and ``checkpoint.pth``.
The labels of ``images/a/1.jpg`` go to ``segmented/labels/a/1.png``: 8 bits, one channel, the index of the class of each
pixel, in the size of the image. They are what the grid would predict: with all views, their merge, all refinements.

``--probabilities`` also writes ``segmented/probabilities/a/1.npz``. Its array ``q``, uint16 (C, H, W), is the
probability of each class times 65535 before refinements, as the grid keeps it (one channel for a sigmoid).
``--overlays`` also writes ``segmented/overlays/a/1.png``: the image, with all classes but the background in colour.

One image is in memory at a time. An image that cannot be segmented is named, and the others go on; the exit status is
then 1. The steps of the test pipeline that load masks are left out.
"""
# K channels of a map: the classes, or 1 for a sigmoid; H×W pixels of an image

import argparse
import hashlib
import importlib
import io
import json
import os
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner, autocast
from PIL import Image
from rich.console import Console
from rich.progress import track

from plugins.datasets.new_images import NewImages, images_in, refuse_cut_off
from plugins.hooks.image_changes import MASKS

CONFIG, CHECKPOINT, MANIFEST, MODULES = 'config.py', 'checkpoint.pth', 'manifest.json', 'modules'
SHOWN = 5


class NotUsable(ValueError):
    """The exported folder, or the folder of images, cannot be used; the message names the file and the cure."""


class Segmenter:
    """An exported stack, ready to segment images.

    Args:
        folder: The exported folder.
        paths: The images.
        scratch: A folder for mmengine's logs.

    Raises:
        NotUsable: The folder lacks a file, or a file is damaged or could execute code.
    """

    def __init__(self, folder: Path, paths: list[str], scratch: Path) -> None:
        config, meta = read_exported(folder)
        self.meta = meta
        loader = dict(config.test_dataloader)
        dataset = dict(type=NewImages.__name__, paths=paths, pipeline=image_steps(loader['dataset']), metainfo=meta)
        config.test_dataloader = dict(
            batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dataset
        )
        config.work_dir, config.launcher, config.log_level = str(scratch), 'none', 'ERROR'
        config.load_from = str(folder / CHECKPOINT)
        # mmengine keeps visualizers by name for the life of a process, and with them folders that are gone.
        config.visualizer = dict(type='SegLocalVisualizer', vis_backends=[], name=scratch.name)
        self.runner = _opened(Runner.from_cfg(config))
        self.dataset = self.runner.test_dataloader.dataset

    def __call__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Segment one image.

        Returns:
            The quantised map of the probabilities before refinements, uint16 (K, H, W), and the labels, uint8 (H, W).
        """
        with autocast(enabled=getattr(self.runner.test_loop, 'fp16', False)):
            (q,) = self.runner.model.merged_maps(pseudo_collate([self.dataset[index]]))
            return q, self.runner.model.refine(q, self.dataset.paths[index])

    def overlay(self, index: int, labels: np.ndarray) -> np.ndarray:
        """The image, RGB uint8 (H, W, 3), half covered by the colours of all classes but the background."""
        image = self.runner.model.images.read(self.dataset.paths[index])
        colours = np.asarray(self.dataset.metainfo['palette'], np.uint8)
        shown = labels != self.meta.get('background') if self.meta.get('background') is not None else labels >= 0
        mixed = (image.astype(np.uint16) + colours[labels]) // 2
        return np.where(shown[..., None], mixed, image).astype(np.uint8)


def read_exported(folder: Path) -> tuple[Config, dict]:
    """The config of an exported stack, and what its training data declare: classes, palette, background.

    The checkpoint is read without executing anything in it. Modules that were exported with it become importable.

    Raises:
        NotUsable: As :class:`Segmenter`.
    """
    for name in (CONFIG, CHECKPOINT):
        if not (folder / name).is_file():
            raise NotUsable(f'{folder} has no {name}; name a folder that python run_ablation.py --export has written')
    _refuse_damaged(folder)
    try:
        checkpoint = torch.load(folder / CHECKPOINT, map_location='cpu', weights_only=True)
        meta = dict(checkpoint['meta']['dataset_meta'])
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, KeyError, TypeError) as error:
        raise NotUsable(
            f'{folder / CHECKPOINT} is no exported checkpoint of weights alone ({error}); export the stack again'
        ) from error
    if (folder / MODULES).is_dir():
        sys.path.append(str((folder / MODULES).resolve()))
        importlib.invalidate_caches()
    try:
        return Config.fromfile(folder / CONFIG), meta
    except Exception as error:
        raise NotUsable(
            f'{folder / CONFIG} cannot be read ({error}); the packages and modules that it names must be installed'
        ) from error


def _refuse_damaged(folder: Path) -> None:
    """Compare the checkpoint with the manifest of the export, if there is one. The config may be changed by hand."""
    try:
        wanted = json.loads((folder / MANIFEST).read_text())['files'][CHECKPOINT]['sha256']
    except (OSError, ValueError, KeyError, TypeError):
        return
    with open(folder / CHECKPOINT, 'rb') as stream:
        if hashlib.file_digest(stream, 'sha256').hexdigest() != wanted:
            raise NotUsable(f'{folder / CHECKPOINT} is not the file that was exported; export the stack again')


def image_steps(dataset: Mapping[str, Any]) -> list[dict]:
    """The transforms of a test data set, without those that load masks; of a wrapper those of the first one inside.

    Raises:
        NotUsable: There is no pipeline.
    """
    while 'pipeline' not in dataset:
        inner = dataset.get('dataset') or next(iter(dataset.get('datasets') or []), None)
        if inner is None:
            raise NotUsable('the test data set of the config has no pipeline, and images are loaded through it')
        dataset = inner
    return [step for step in dataset['pipeline'] if not _loads_mask(step.get('type'))]


def _loads_mask(kind: Any) -> bool:
    name = kind.rpartition('.')[2] if isinstance(kind, str) else getattr(kind, '__name__', '')
    return name.startswith('Load') and 'Image' not in name and any(word in name for word in MASKS)


def _opened(runner: Runner) -> Runner:
    """A runner at the point where its test loop would predict the first image: all hooks before a test have run.

    Raises:
        NotUsable: No hook of the config predicts through views and refinements.
    """
    runner._test_loop = runner.build_test_loop(runner._test_loop)
    runner.call_hook('before_run')
    runner.load_or_resume()
    runner.call_hook('before_test')
    runner.call_hook('before_test_epoch')
    runner.model.eval()
    if not hasattr(runner.model, 'merged_maps'):
        raise NotUsable("the config lacks custom_hooks = [dict(type='InferenceHook')], which every exported one has")
    return runner


def segment(
    exported: Path,
    folder: Path,
    out: Path,
    *,
    probabilities: bool = False,
    overlays: bool = False,
    tell: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> list[str]:
    """Segment all images of a folder.

    Args:
        exported: The exported folder.
        folder: The folder of images.
        out: The folder to write.
        probabilities: Whether to write the probabilities.
        overlays: Whether to write the overlays.
        tell: Takes a line for each image that cannot be segmented, and one on files that are no images.

    Returns:
        The paths of the images that could not be segmented.

    Raises:
        NotUsable: A folder cannot be used; nothing has been written.
    """
    images = _images(exported, folder, out, tell)
    refused = []
    with TemporaryDirectory() as scratch, _quiet():
        segmenter = Segmenter(exported, list(images.values()), Path(scratch))
        for index, (name, path) in enumerate(_progress(images)):
            try:
                refuse_cut_off(path)
                _segment_one(segmenter, index, name, out, probabilities, overlays)
            except Exception as error:
                refused.append(path)
                tell(f'{path}: not segmented: {(str(error).splitlines() or [repr(error)])[0]}')
    return refused


def _segment_one(segmenter: Segmenter, index: int, name: str, out: Path, probabilities: bool, overlays: bool) -> None:
    """Write the files of one image; the labels last, so that an image with labels has all of them."""
    q, labels = segmenter(index)
    if probabilities:
        _write_maps(out / 'probabilities' / f'{name}.npz', q)
    if overlays:
        _write_png(out / 'overlays' / f'{name}.png', segmenter.overlay(index, labels))
    _write_png(out / 'labels' / f'{name}.png', labels)


def _images(exported: Path, folder: Path, out: Path, tell: Callable[[str], None]) -> dict[str, str]:
    """The images of a folder by name.

    Raises:
        NotUsable: There is no image, or the output would lie among the images.
    """
    if not folder.is_dir():
        raise NotUsable(f'{folder} is no folder; name a folder of images')
    if folder.resolve() in (out.resolve(), *out.resolve().parents):
        raise NotUsable(f'--out {out} lies in the folder of images, where the next run would segment it; name another')
    try:
        images, others = images_in(str(folder), _suffixes(exported))
    except ValueError as error:
        raise NotUsable(str(error)) from error
    if not images:
        raise NotUsable(f'{folder} holds no images')
    if others:
        more = f' and {len(others) - SHOWN} more' if len(others) > SHOWN else ''
        tell(f"left out, because the suffix is no image's: {', '.join(others[:SHOWN])}{more}")
    return images


def _suffixes(exported: Path) -> set[str]:
    """The suffixes of images that the config's test data declare."""
    if not (exported / CONFIG).is_file():
        return set()
    text = Config.fromfile(exported / CONFIG, import_custom_modules=False).to_dict()
    found, waiting = set(), [text.get('test_dataloader')]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            declared = node.get('img_suffix', ())
            found |= {declared} if isinstance(declared, str) else set(declared)
            waiting += [node.get(key) for key in ('dataset', 'datasets', 'sources')]
        elif isinstance(node, (list, tuple)):
            waiting += node
    return found


def _progress(images: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The images one by one; on a terminal with a bar."""
    console = Console(stderr=True)
    return iter(track(list(images.items()), 'segmenting', console=console, disable=not console.is_terminal))


def _write_png(path: Path, pixels: np.ndarray) -> None:
    _write(path, lambda file: Image.fromarray(pixels).save(file, format='PNG'))


def _write_maps(path: Path, q: np.ndarray) -> None:
    _write(path, lambda file: np.savez_compressed(file, q=q))


def _write(path: Path, write: Callable[[Any], object]) -> None:
    """Write a file that appears complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f'.{path.name}.part')
    try:
        with open(scratch, 'wb') as file:
            write(file)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what libraries print, and their warnings of optional parts that are missing."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter('ignore')
        yield


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit with status 1 if an image could not be segmented, 2 if the input is wrong."""
    parser = argparse.ArgumentParser(
        prog='python -m plugins.tools.segment_folder', description=(__doc__ or '').split('\n')[0]
    )
    parser.add_argument('exported', type=Path, help='folder that python run_ablation.py --export has written')
    parser.add_argument('images', type=Path, help='folder of images; folders within it are searched, too')
    parser.add_argument('--out', type=Path, required=True, help='folder to write, outside the folder of images')
    parser.add_argument('--probabilities', action='store_true', help='also write the probabilities of the classes')
    parser.add_argument('--overlays', action='store_true', help='also write the images with their labels in colour')
    options = parser.parse_args(arguments)
    try:
        refused = segment(
            options.exported,
            options.images,
            options.out,
            probabilities=options.probabilities,
            overlays=options.overlays,
        )
    except NotUsable as error:
        parser.exit(2, f'{error}\n')
    if refused:
        parser.exit(1, f'not segmented: {len(refused)} of the images\n')
    print(f'labels: {options.out / "labels"}')


if __name__ == '__main__':
    main()
