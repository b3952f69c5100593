import hashlib
import importlib.util
import itertools
import json
import subprocess
import sys
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pytest

from plugins.datasets import icbm152_slices as made
from plugins.datasets.icbm152_folder import CHECKSUMS, verify_checksums


@pytest.fixture(scope='module')
def template():
    return made.load_template()


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('work') / 'data' / 'icbm152'
    made.ensure_slices(root)
    return root


def test_layout_has_enough_of_each_split_and_gaps_between_slabs():
    items = made.slices()
    count = {split: sum(item.split == split for item in items) for split in ('train', 'val', 'test')}
    assert count == dict(train=72, val=8, test=56)
    assert len({item.slab for item in items if item.split == 'test'}) == 8
    for one, other in itertools.pairwise(items):
        same = one.slab == other.slab
        assert same == (one.split == other.split and other.y == one.y + 1)
        assert same or other.y - one.y >= 3


def test_names_tell_slab_and_slice():
    assert made.Slice('test', 3, 72).name == 'slab03_y072.png'
    assert made.Slice('test', 3, 72).path == 'test/slab03_y072.png'


@pytest.mark.slow
def test_labels_are_the_most_probable_class(template):
    folder = Path(importlib.util.find_spec('nilearn').origin).parent / 'datasets' / 'data'
    grey, white = (
        np.asarray(nibabel.load(next(folder.glob(f'*_{kind}_*'))).dataobj, dtype=float) / 255 for kind in ('gm', 'wm')
    )
    expected = np.where((grey > 1 - grey - white) & (grey >= white), 1, np.where(white > 1 - grey - white, 2, 0))
    # Ties within a rounding error of the floats are left out.
    ordered = np.sort(np.stack([1 - grey - white, grey, white]), axis=0)
    clear = ordered[2] - ordered[1] > 1e-6
    assert clear.mean() > 0.99
    assert np.array_equal(template[1][clear], expected[clear])


def test_white_matter_constant_is_the_templates_mean(template):
    t1, labels = template
    assert t1[labels == 2].mean() / 255 == pytest.approx(made.WHITE_MATTER, abs=0.005)


def test_slices_hold_the_whole_brain_head_upwards(template):
    t1, labels = template
    assert len(set(t1.shape)) == 3
    for item in made.slices():
        cut = made.coronal(labels, item.y)
        assert cut.shape == (160, 160)
        assert (cut > 0).sum() == (labels[:, item.y] > 0).sum() > 700
    # Above the middle slice's brain lies the cut's top: the highest voxel of the volume is its first row of brain.
    cut = made.coronal(labels, 118)
    top = np.flatnonzero(labels[:, 118].any(axis=0)).max()
    x = np.flatnonzero(labels[:, 118, top])[0]
    row = np.flatnonzero(cut.any(axis=1))[0]
    assert cut[row, x - 18] == labels[x, 118, top]
    assert row < 160 - np.flatnonzero(cut.any(axis=1))[-1] + 10


def test_bias_field_is_smooth_and_reaches_its_amplitude():
    field = np.log(made.bias_field(np.random.default_rng(5), 0.3))
    assert np.abs(field).max() == pytest.approx(0.3)
    assert np.abs(np.diff(field, axis=0)).max() < 0.02
    assert np.abs(np.diff(field, axis=1)).max() < 0.02
    assert made.bias_field(np.random.default_rng(5), 0.0) == pytest.approx(np.ones((160, 160)))


def test_noise_is_rician():
    # On empty background the magnitude of two normals is Rayleigh: mean s*sqrt(pi/2), second moment 2 s^2.
    rng = np.random.default_rng(1)
    empty = made.acquire(np.zeros((400, 400), np.uint8), rng, noise_sigma=0.2, bias_amplitude=0.0) / 255
    sigma = 0.2 * made.WHITE_MATTER / made.FULL_SCALE
    assert empty.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.01)
    assert (empty**2).mean() == pytest.approx(2 * sigma**2, rel=0.01)
    # Where there is signal A, the second moment is A^2 + 2 s^2.
    full = made.acquire(np.full((400, 400), 153, np.uint8), rng, noise_sigma=0.2, bias_amplitude=0.0) / 255
    assert (full**2).mean() == pytest.approx((0.6 / made.FULL_SCALE) ** 2 + 2 * sigma**2, rel=0.01)


def test_without_noise_and_bias_the_slice_is_the_template():
    t1 = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = made.acquire(t1, np.random.default_rng(0), noise_sigma=0.0, bias_amplitude=0.0)
    assert np.array_equal(image, np.rint(np.round(t1 / 2.0, 3)))


def test_one_slice_is_what_it_always_was(template):
    rng = np.random.default_rng([0, 107])
    image = made.acquire(made.coronal(template[0], 107), rng, noise_sigma=0.25, bias_amplitude=0.2)
    assert (
        hashlib.sha256(image.tobytes()).hexdigest()
        == '40670a558f6ddb7718ea5e7767e5262b4c09ea8ffb88503c7611ce6914680747'
    )


def test_the_folder_is_whole_and_holds_what_render_gives(root):
    verify_checksums(root)
    written = sorted(path.relative_to(root).as_posix() for path in root.rglob('*.png'))
    assert len(written) == 2 * 136
    path, image, labels = next(made.render())
    for kind, pixels in (('img_dir', image), ('ann_dir', labels)):
        stored = cv2.imread(str(root / kind / path), cv2.IMREAD_UNCHANGED)
        assert stored.dtype == np.uint8 and stored.ndim == 2
        assert np.array_equal(stored, pixels)


def test_writing_again_gives_the_same_bytes(root, tmp_path):
    made.ensure_slices(tmp_path / 'again')
    for path in root.rglob('*.*'):
        assert (tmp_path / 'again' / path.relative_to(root)).read_bytes() == path.read_bytes()


def test_a_whole_folder_is_left_alone(root):
    before = {path: path.stat().st_mtime_ns for path in root.rglob('*')}
    made.ensure_slices(root)
    assert {path: path.stat().st_mtime_ns for path in root.rglob('*')} == before


def test_other_parameters_are_refused(root):
    with pytest.raises(ValueError, match=r'noise_sigma 0\.5 instead of 0\.1.*delete it'):
        made.ensure_slices(root, noise_sigma=0.1)


def _few_slices(monkeypatch):
    monkeypatch.setattr(made, 'LAYOUT', (('train', 2), ('gap', 2), ('test', 1)))


def test_noise_and_seed_change_the_images_not_the_labels(monkeypatch):
    _few_slices(monkeypatch)
    default, noisier, reseeded = (list(made.render(**kwargs)) for kwargs in ({}, dict(noise_sigma=0.8), dict(seed=1)))
    for (_, image, labels), (_, noisier_image, same), (_, reseeded_image, same_again) in zip(
        default, noisier, reseeded
    ):
        assert noisier_image.mean() > image.mean()
        assert not np.array_equal(image, reseeded_image)
        assert np.array_equal(labels, same) and np.array_equal(labels, same_again)


def test_missing_shortened_and_altered_files_are_noticed(tmp_path, monkeypatch):
    _few_slices(monkeypatch)
    made.ensure_slices(tmp_path / 'data')
    victim = tmp_path / 'data' / 'img_dir' / 'train' / 'slab00_y031.png'
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-1] + b'?')
    made.ensure_slices(tmp_path / 'data')  # the cheap check goes by size
    with pytest.raises(ValueError, match='slab00_y031'):
        verify_checksums(tmp_path / 'data')
    victim.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match='slab00_y031.*delete the folder'):
        made.ensure_slices(tmp_path / 'data')
    victim.unlink()
    with pytest.raises(ValueError, match='slab00_y031'):
        made.ensure_slices(tmp_path / 'data')


@pytest.mark.parametrize('content', [None, '{"parameters": ', '[]', '{"files": {}}'])
def test_a_folder_without_a_readable_checksum_file_is_refused_and_kept(tmp_path, content):
    (tmp_path / 'precious.txt').write_text('mine')
    if content is not None:
        (tmp_path / CHECKSUMS).write_text(content)
    with pytest.raises(ValueError, match='no readable checksums.json'):
        made.ensure_slices(tmp_path)
    assert (tmp_path / 'precious.txt').read_text() == 'mine'


@pytest.mark.slow
def test_two_processes_at_once_make_one_folder(tmp_path):
    code = 'import sys; from plugins.datasets.icbm152_slices import ensure_slices; ensure_slices(sys.argv[1])'
    target = tmp_path / 'data'
    running = [subprocess.Popen([sys.executable, '-c', code, str(target)]) for _ in range(2)]
    assert [process.wait(timeout=60) for process in running] == [0, 0]
    verify_checksums(target)
    assert [path.name for path in tmp_path.iterdir()] == ['data']


def test_the_template_needs_nilearn(monkeypatch):
    monkeypatch.setattr(made.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ImportError, match='pip install nilearn'):
        made.load_template()


def test_checksum_file_tells_the_parameters(root):
    content = json.loads((root / CHECKSUMS).read_text())
    assert content['parameters']['noise_sigma'] == made.NOISE_SIGMA
    assert content['parameters']['version'] == made.VERSION
    assert len(content['files']) == 272
