"""``metafile.yaml`` of an exported stack: OpenMMLab's model-zoo format, as mmsegmentation's own files have it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.record import read_grid_json

TASK, FRAMEWORK = 'Semantic Segmentation', 'PyTorch'
# The scores of a grid by their names in the file; mIoU and mDice are those of mmsegmentation's IoUMetric.
METRICS = dict(
    miou='mIoU',
    mdice='mDice',
    dice='Dice (mean of images)',
    boundary_iou='Boundary IoU (mean of images)',
    nsd='NSD (mean of images)',
    hd95_px='HD95 (px)',
    assd_px='ASSD (px)',
)


def metafile(out: Path, record: Mapping[str, Any], config: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """The text of ``metafile.yaml``.

    The metrics are those of the exported cell alone, on the images that it was tested on; undefined ones are left out.

    Args:
        out: The folder of the finished grid.
        record: The record of the cell.
        config: Its resolved config.
        files: The names of the exported ``README``, ``Config`` and ``Weights``.
    """
    from mmengine.fileio import dump  # here, because it imports torch

    grid = read_grid_json(out)
    data, parts = grid['dataset']['name'], architecture(config)
    collection = ' + '.join(parts) or grid['name']
    memory = (record['train'] or {}).get('peak_mib')
    model = {
        'Name': record['cell'],
        'In Collection': collection,
        'Results': {'Task': TASK, 'Dataset': data, 'Metrics': _metrics(out, record['cell'], grid)},
        'Config': files['Config'],
        'Metadata': {
            'Training Data': data,
            **_batch_size(config),
            'Architecture': [*parts, *record['techniques']],
            'Training Resources': f'1x {grid["device"]}',
            **({} if memory is None else {'Memory (GB)': round(memory / 1024, 2)}),
        },
        'Weights': files['Weights'],
        'Framework': FRAMEWORK,
    }
    family = {
        'Name': collection,
        'Metadata': {'Training Data': [data]},
        'README': files['README'],
        'Frameworks': [FRAMEWORK],
    }
    content = {'Collections': [family], 'Models': [model]}
    return dump(content, file_format='yaml', sort_keys=False, allow_unicode=True, width=120)


def architecture(config: Mapping[str, Any]) -> list[str]:
    """The types of backbone, neck and decode heads, each once, where the config names them."""
    model = config.get('model') or {}
    return list(dict.fromkeys(kind for part in ('backbone', 'neck', 'decode_head') for kind in _types(model.get(part))))


def _types(part: Any) -> Iterator[str]:
    for one in part if isinstance(part, Sequence) and not isinstance(part, str) else [part]:
        if isinstance(one, Mapping) and isinstance(one.get('type'), str):
            yield one['type']


def _batch_size(config: Mapping[str, Any]) -> dict[str, int]:
    size = (config.get('train_dataloader') or {}).get('batch_size')
    return {'Batch Size': size} if isinstance(size, int) else {}


def _metrics(out: Path, cell: str, grid: Mapping[str, Any]) -> dict[str, float]:
    """The scores of a cell, percent or pixels."""
    from benchmarks.analysis.counts import counts_frame, counts_from_frame
    from benchmarks.analysis.scores import foreground_classes, score

    frame = counts_frame(out / 'records' / 'counts.csv.gz')
    counts = counts_from_frame(frame[frame['cell'] == cell]).cells[cell]
    foreground = foreground_classes(len(grid['classes']), grid['background'])
    values = {name: score(metric, counts, foreground) for metric, name in METRICS.items()}
    return {name: round(value, 2) for name, value in values.items() if value == value}
