"""The network of an exported stack as an ONNX file, and how far it agrees with torch on test images.

The file holds what one pass does: normalised and padded image in, probabilities out. Views, their merge, refinements,
and what the data preprocessor does to an image are not in it; of an ensemble it holds all networks and their mean.
"""
# K channels of the probabilities: the classes, or 1 for a sigmoid; C×H×W the normalised and padded image

import importlib.metadata
import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.stacks.compose import load_config
from benchmarks.stacks.imports import MMSEG, import_quietly

PACKAGES = ('onnx', 'onnxscript', 'onnxruntime')
MOST_IMAGES = 16
INPUT, OUTPUT = 'image', 'probabilities'


def export_network(config: Path, checkpoint: Path, target: Path) -> dict:
    """Write the ONNX file, and compare it with torch.

    Args:
        config: The exported config.
        checkpoint: The exported checkpoint.
        target: The file to write. It is missing afterwards if torch cannot export the network, or a package is missing.

    Returns:
        What the manifest says: ``status``, and ``said``, a sentence. If the file was written also ``input``, the shape
        (1, C, H, W); ``preprocessor``, the config of what makes it from an image; and the parity: ``images`` and
        ``labels`` compared, ``labels_differ``, and ``largest_difference`` of two probabilities.
    """
    if missing := missing_packages():
        said = f'There is no network.onnx, because packages are not installed: {", ".join(missing)}'
        return dict(status='left out', said=f"{said}; pip install 'segmentation-ablation[export]', and export again")
    from benchmarks.stages.worker import captured

    try:
        with tempfile.TemporaryFile('w', buffering=1) as log, captured(log):  # a page of warnings of torch's exporter
            return _written(load_config(config), checkpoint, target)
    except Exception as error:  # of the network's code, in a place that nobody foresees
        target.unlink(missing_ok=True)
        said = f'There is no network.onnx, because it cannot be exported: {_first_cause(error)}'
        return dict(status='failed', said=said)


def _first_cause(error: BaseException) -> str:
    """One line on the error that came first; torch's exporter wraps it into a page of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f'{type(error).__name__}: {(str(error).strip().splitlines() or [""])[0]}'


def missing_packages() -> list[str]:
    """The packages of the extra ``export`` that are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def _written(config: dict, checkpoint: Path, target: Path) -> dict:
    import torch

    from benchmarks.stages.runner import build_runner, open_inference
    from benchmarks.stages.scratch import scratch_folder

    for module in (*MMSEG, *(config.get('custom_imports') or {}).get('imports', [])):
        import_quietly(module)
    with scratch_folder('export_') as scratch, torch.no_grad():
        runner = build_runner(config, scratch / 'run', checkpoint)
        model: Any = open_inference(runner)
        inputs = _inputs(model.model, runner.test_dataloader.dataset)
        network, first = _network(model.model), next(inputs)
        program = torch.onnx.export(
            network, (first,), dynamo=True, input_names=[INPUT], output_names=[OUTPUT], verbose=False
        )
        assert program is not None
        program.save(target)
        parity = _parity(network, target, [first, *(one for one in inputs if one.shape == first.shape)])
    return dict(
        status='ok',
        said=_said(list(first.shape), parity),
        input=list(first.shape),
        preprocessor=config['model'].get('data_preprocessor'),
        **parity,
        packages={name: importlib.metadata.version(name) for name in ('torch', *PACKAGES)},
    )


def _network(model: Any) -> Any:
    """From a segmentor to a module that gives probabilities, (1, C, H, W) → (1, K, H, W)."""
    import torch

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            size = tuple(image.shape[2:])
            logits = self.model.encode_decode(image, [dict(img_shape=size, ori_shape=size)]).float()
            return logits.softmax(dim=1) if logits.shape[1] > 1 else logits.sigmoid()

    return Network().eval()


def _inputs(model: Any, dataset: Any) -> Iterator[Any]:
    """The first test image, and others evenly over the list, as the network gets them."""
    from mmengine.dataset import pseudo_collate

    step = max(1, len(dataset) // MOST_IMAGES)
    for index in range(0, len(dataset), step)[:MOST_IMAGES]:
        yield model.data_preprocessor(pseudo_collate([dataset[index]]), False)['inputs']


def _parity(network: Any, path: Path, inputs: list) -> dict:
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    head = network.model.decode_head
    head = head[-1] if hasattr(head, '__getitem__') else head  # cascades predict with their last head
    differ, labels, largest = 0, 0, 0.0
    for image in inputs:
        ours = network(image).numpy()[0]
        (theirs,) = session.run([OUTPUT], {INPUT: image.numpy()})[0]
        maps = [p.argmax(axis=0) if len(p) > 1 else p[0] > head.threshold for p in (ours, theirs)]
        differ, labels = differ + int(np.count_nonzero(maps[0] != maps[1])), labels + maps[0].size
        largest = max(largest, float(np.abs(ours - theirs).max()))
    return dict(images=len(inputs), labels=labels, labels_differ=differ, largest_difference=largest)


def _said(shape: list[int], parity: dict) -> str:
    return (
        f'network.onnx takes a normalised and padded image of {"×".join(map(str, shape))} and gives probabilities. On '
        f'{parity["images"]} test images, {parity["labels_differ"]} of {parity["labels"]} labels differ from those of '
        f'torch, and probabilities by {parity["largest_difference"]:.1e} at most'
    )
