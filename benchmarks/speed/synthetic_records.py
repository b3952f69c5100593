"""The records of a grid that nothing has trained, for reports of any size.

Each row is compared with the first. The scores are drawn: a row adds up to one point, seeds differ by 0.3 points, and
each group of images and each image are harder or easier in all cells alike. The same call writes the same records.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks import record

GROUPS, IMAGES_OF_GROUP, PIXELS = 8, 7, 4000
SHARE_OF_CLASS = dict(background=0.6, grey=0.25, white=0.15)
LATENCY_SAMPLES = 10


def write_records(out: Path, rows: int, seeds: int) -> None:
    """Write grid, records, profiles and counts.

    Args:
        out: The output folder.
        rows: The number of rows; the first is the baseline.
        seeds: The number of seeds of each.
    """
    names = ['baseline', *(f'technique{number}' for number in range(1, rows))]
    record.write_grid(out, _grid(names, seeds))
    for number, name in enumerate(names):
        for seed in range(seeds):
            record.write_record(out, _cell(name, seed))
        record.write_profile(out, _profile(name, 20.0 + number % 50))
    record.write_counts(out, _counts(names, seeds), list(SHARE_OF_CLASS))


def _techniques(name: str) -> list[str]:
    return [] if name == 'baseline' else [name]


def _grid(names: list[str], seeds: int) -> dict:
    return dict(
        version=record.VERSION,
        name='synthetic',
        title='Nothing was trained',
        classes=list(SHARE_OF_CLASS),
        background=0,
        seeds=list(range(seeds)),
        rows=[dict(stack=name, techniques=_techniques(name), label=name, published_dice=None) for name in names],
        comparisons=[dict(design='each_alone', stack=name, reference=names[0]) for name in names[1:]],
        equivalence_margin=1.0,
        device='cpu',
        environment={},
        command='',
        notes=['drawn at random'],
        dataset=dict(
            name='drawn', n_images=dict(train=1, test=GROUPS * IMAGES_OF_GROUP), fingerprint=dict(test='drawn')
        ),
    )


def _cell(name: str, seed: int) -> dict:
    cell = record.cell_name(name, seed)
    train = dict(
        seconds=60.0 + seed,
        peak_mib=500.0,
        peak_reserved_mib=None,
        host_peak_mib=900.0,
        iterations=150,
        final_loss=0.25,
        threads=1,
    )
    return dict(
        version=record.VERSION,
        cell=cell,
        stack=name,
        techniques=_techniques(name),
        seed=seed,
        status='ok',
        reason=None,
        failed_stage=None,
        keys=dict(train=f'train {cell}', predict=f'predict {cell}', refine=None),
        train=train,
        changed_pixels=None,
        maps_sha256=cell,
        acted={},
        config=f'configs/{cell}.py',
    )


def _profile(name: str, latency_ms: float) -> dict:
    samples = [latency_ms + 0.1 * number for number in range(LATENCY_SAMPLES)]
    parts = dict(preprocess=[1.0] * LATENCY_SAMPLES, views=[one - 1 for one in samples], refine=[], total=samples)
    return dict(
        version=record.VERSION,
        stack=name,
        status='ok',
        reason=None,
        key=f'profile {name}',
        device='cpu',
        threads=2,
        n_samples=LATENCY_SAMPLES,
        warmup=3,
        latency_ms=parts,
        infer_peak_mib=300.0,
        infer_peak_reserved_mib=None,
        host_peak_mib=700.0,
        params=1_000_000,
        flops=2_000_000_000,
    )


def _counts(names: list[str], seeds: int) -> Iterator[dict]:
    drawn = np.random.default_rng(0)
    ease = np.repeat(drawn.normal(0, 0.05, GROUPS), IMAGES_OF_GROUP) + drawn.normal(0, 0.04, GROUPS * IMAGES_OF_GROUP)
    level = 0.8 + drawn.uniform(0, 0.01, len(names))[:, None] + drawn.normal(0, 0.003, (len(names), seeds))
    cells = sorted((record.cell_name(name, seed), row, seed) for row, name in enumerate(names) for seed in range(seeds))
    for cell, row, seed in cells:
        noise = drawn.normal(0, 0.005, (len(ease), len(SHARE_OF_CLASS)))
        share = np.clip(level[row, seed] + ease[:, None] + noise, 0.05, 0.99)
        yield from _counts_of_cell(cell, share)


def _counts_of_cell(cell: str, share: np.ndarray) -> Iterator[dict]:
    """The counts of a cell, of which so much of each class (images, classes) is labelled right."""
    truth = [int(part * PIXELS) for part in SHARE_OF_CLASS.values()]
    for image, hits in enumerate((share * truth).astype(int).tolist()):
        for number, tp in enumerate(hits):
            missed, distance = truth[number] - tp, 10 * (1 - tp / truth[number])
            counts = (
                tp,
                missed + 3,
                missed,
                tp // 10,
                missed // 10 + 1,
                truth[number] // 10 - tp // 10,
                tp // 20,
                truth[number] // 20,
            )
            facts = (
                cell,
                f'image{image:03}',
                f'group{image // IMAGES_OF_GROUP}',
                number,
                *counts,
                4 * distance,
                distance,
            )
            yield dict(zip(record.COUNT_COLUMNS, facts, strict=True))
