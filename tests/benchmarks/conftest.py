"""A synthetic grid: 3 stacks x 3 seeds x 8 groups x 7 images, one cell out of memory. The trace of a killed stage."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import record
from benchmarks.store.holder import Holder

GROUPS, PER_GROUP, PIXELS = 8, 7, 4000
STACKS = (('baseline', []), ('attention', ['attention']), ('attention+loss', ['attention', 'loss']))
GAINS = dict(baseline=0.0, attention=0.001, **{'attention+loss': 0.06})
FAILED = 'attention__seed2'


def synthetic_grid(seeds=(0, 1, 2)):
    labels = ('baseline', '+ attention', '+ loss')
    return dict(
        version=record.VERSION,
        name='synthetic',
        title='Synthetic improvement table',
        classes=['background', 'grey', 'white'],
        background=0,
        seeds=list(seeds),
        rows=[
            dict(stack=stack, techniques=techniques, label=label, published_dice=published)
            for (stack, techniques), label, published in zip(STACKS, labels, (81.0, 83.5, None))
        ],
        comparisons=[
            dict(design='cumulative', stack='attention', reference='baseline'),
            dict(design='cumulative', stack='attention+loss', reference='attention'),
            dict(design='each_alone', stack='attention+loss', reference='baseline'),
        ],
        equivalence_margin=1.0,
        device='cpu',
        environment=dict(python='3.11', torch='2.13'),
        command='python run_ablation.py synthetic.py',
        notes=['made by a random generator'],
        dataset=dict(name='blobs', n_images=dict(train=40, test=GROUPS * PER_GROUP), fingerprint=dict(test='abc')),
    )


def synthetic_cell(stack, techniques, seed, status='ok'):
    ok = status == 'ok'
    train = dict(
        seconds=60.0 + seed,
        peak_mib=500.0 + seed,
        peak_reserved_mib=None,
        host_peak_mib=900.0 - seed,
        iterations=150,
        final_loss=0.25,
        threads=1,
    )
    cell = record.cell_name(stack, seed)
    return dict(
        version=record.VERSION,
        cell=cell,
        stack=stack,
        techniques=techniques,
        seed=seed,
        status=status,
        reason=None if ok else 'needs 99 GiB,\n has 16',
        failed_stage=None if ok else 'train',
        keys=dict(train='t' + stack, predict='p' + stack, refine=None),
        train=train if ok else None,
        changed_pixels=None,
        maps_sha256=f'm{seed}',
        acted={},
        config=f'configs/{cell}.py',
    )


def synthetic_profile(stack, latency_ms):
    total = [latency_ms + 0.1 * i for i in range(10)]
    return dict(
        version=record.VERSION,
        stack=stack,
        status='ok',
        reason=None,
        key='k' + stack,
        device='cpu',
        threads=2,
        n_samples=10,
        warmup=3,
        latency_ms=dict(preprocess=[1.0] * 10, views=[latency_ms - 1.0] * 10, refine=[], total=total),
        infer_peak_mib=300.0,
        infer_peak_reserved_mib=None,
        host_peak_mib=700.0,
        params=1_234_567,
        flops=2_500_000_000,
    )


def synthetic_counts(cell, quality, rng, group_effect, image_effect):
    rows = []
    for image in range(GROUPS * PER_GROUP):
        group = image // PER_GROUP
        for label, share in enumerate((0.6, 0.25, 0.15)):
            level = quality + group_effect[group] + image_effect[image] + rng.normal(0, 0.005)
            truth = int(share * PIXELS)
            tp = int(truth * np.clip(level, 0.05, 0.99))
            rows.append(
                dict(
                    zip(
                        record.COUNT_COLUMNS,
                        (
                            cell,
                            f'img{image:03d}',
                            f'{group:03d}',
                            label,
                            tp,
                            truth - tp,
                            truth - tp + 3,
                            tp // 10,
                            (truth - tp) // 10,
                            (truth - tp) // 10 + 1,
                            tp // 20,
                            truth // 20,
                            *((None, None) if image == 5 and label == 2 else (40 * (1 - level), 10 * (1 - level))),
                        ),
                    )
                )
            )
    return rows


def write_synthetic(out, seeds=(0, 1, 2), failed=(FAILED,), quality=GAINS):
    """Write grid, records, profiles and counts of the synthetic grid; the same call writes the same bytes."""
    group_effect = np.random.default_rng(1).normal(0, 0.05, GROUPS)
    image_effect = np.random.default_rng(2).normal(0, 0.04, GROUPS * PER_GROUP)
    record.write_grid(out, synthetic_grid(seeds))
    counts = []
    for index, (stack, techniques) in enumerate(STACKS):
        for seed in seeds:
            cell = record.cell_name(stack, seed)
            status = 'out_of_memory' if cell in failed else 'ok'
            record.write_record(out, synthetic_cell(stack, techniques, seed, status))
            rng = np.random.default_rng([seed, index])
            if status == 'ok':
                level = 0.8 + quality[stack] + rng.normal(0, 0.003)
                counts += synthetic_counts(cell, level, rng, group_effect, image_effect)
        record.write_profile(out, synthetic_profile(stack, 20.0 * (index + 1)))
    if counts:
        record.write_counts(out, sorted(counts, key=lambda row: row['cell']))
    return out


@pytest.fixture(scope='session')
def synthetic_writer():
    """The function that writes a synthetic grid into a folder."""
    return write_synthetic


@pytest.fixture
def synthetic_facts():
    """A valid cell record, profile and grid, to be spoilt by a test."""
    return dict(
        cell=synthetic_cell('attention', ['attention'], 1),
        profile=synthetic_profile('baseline', 20.0),
        grid=synthetic_grid(),
    )


@pytest.fixture(scope='session')
def synthetic_out(tmp_path_factory):
    """A folder with the records of the synthetic grid; read it, don't write to it."""
    return write_synthetic(tmp_path_factory.mktemp('synthetic'))


def write_folded(out, n_folds=4, failed=(), level_of_fold=None):
    """The synthetic grid in folds: each cell is parted by its groups, and all else stays as it is.

    Args:
        out: The output folder.
        n_folds: The number of folds.
        failed: Names of cells with folds that failed.
        level_of_fold: From the number of a fold to what its training adds to the quality of all but the baseline.
    """
    group_effect = np.random.default_rng(1).normal(0, 0.05, GROUPS)
    image_effect = np.random.default_rng(2).normal(0, 0.04, GROUPS * PER_GROUP)
    seeds, counts = (0, 1, 2), []
    card = dict(images=1)
    parts = [dict(train=GROUPS - len(range(fold, GROUPS, n_folds)), test=1) for fold in range(n_folds)]
    folds = [
        dict(fold=fold, n_images=part, n_groups=part, fingerprint=dict(test='a'), cards=dict(test=card))
        for fold, part in enumerate(parts)
    ]
    record.write_grid(out, synthetic_grid(seeds) | dict(version=record.WITH_FOLDS, folds=folds))
    for index, (stack, techniques) in enumerate(STACKS):
        for seed in seeds:
            rng = np.random.default_rng([seed, index])
            level = 0.8 + GAINS[stack] + rng.normal(0, 0.003)
            rows = synthetic_counts('', level, rng, group_effect, image_effect)
            for fold in range(n_folds):
                cell = record.cell_name(stack, seed, fold)
                status = 'out_of_memory' if cell in failed else 'ok'
                content = synthetic_cell(stack, techniques, seed, status) | dict(cell=cell, fold=fold)
                content['keys'] = {kind: key and f'{key}{fold}' for kind, key in content['keys'].items()}
                record.write_record(out, content | dict(version=record.WITH_FOLDS))
                own = [row for row in rows if int(row['group']) % n_folds == fold]
                if level_of_fold is not None and stack != 'baseline':
                    own = [_moved(row, level_of_fold(fold)) for row in own]
                counts += [row | dict(cell=cell) for row in own] if status == 'ok' else []
        record.write_profile(out, synthetic_profile(stack, 20.0 * (index + 1)))
    record.write_counts(out, sorted(counts, key=lambda row: row['cell']))
    return out


def _moved(row, level):
    """Counts with a part of the truth more, or less, that is found."""
    truth = row['tp'] + row['fn']
    tp = int(np.clip(row['tp'] + level * truth, 0, truth))
    return row | dict(tp=tp, fp=truth - tp, fn=truth - tp)


@pytest.fixture(scope='session')
def folded_writer():
    """The function that writes the synthetic grid in folds into a folder."""
    return write_folded


@pytest.fixture
def left_behind():
    """Makes the working folder of a process that was killed while it computed a key."""

    def make(store, key):
        killed = replace(Holder.me(), start=1)  # its number was given out anew since
        folder = store.root / 'running' / f'{key}-{killed}'
        folder.mkdir()
        folder.with_name(f'{folder.name}.lease').touch()
        return folder

    return make
