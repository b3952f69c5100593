"""Images and label maps that a run keeps come back as they were, within a budget."""

import json

import numpy as np
import pytest

from benchmarks.data import panels as module
from benchmarks.data.panels import FOLDER, Panel, read_panels, write_panels

FACTS = dict(
    stack='b', reference='baseline', seed=1, image='a/ü 1', rule='median', dice=80.0, reference_dice=79.5, step=1
)


def panel(rng, colour=False, classes=20, **facts):
    image = rng.integers(0, 256, (11, 13, 3) if colour else (11, 13)).astype(np.uint8)
    truth, reference, stack = rng.integers(0, classes, (3, 11, 13)).astype(np.uint8)
    truth[:3] = module.VOID
    return Panel(FACTS | facts, image, truth, reference, stack)


@pytest.mark.parametrize('classes', [2, 20, 255])
@pytest.mark.parametrize('colour', [False, True])
def test_what_is_written_is_read(tmp_path, colour, classes):
    written = [panel(np.random.default_rng(seed), colour, classes, seed=seed) for seed in range(2)]
    assert write_panels(tmp_path, written) == 2
    for before, after in zip(written, read_panels(tmp_path), strict=True):
        assert before.facts == after.facts
        assert all(np.array_equal(one, other) for one, other in zip(before[1:], after[1:]))
        assert after.image.ndim == 2 + colour


def test_a_run_without_panels_has_no_folder(tmp_path):
    assert write_panels(tmp_path, []) == 0 and read_panels(tmp_path) == [] and not (tmp_path / FOLDER).exists()


def test_panels_that_exceed_the_space_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'MOST_BYTES', 9000)
    assert 0 < write_panels(tmp_path, [panel(np.random.default_rng(0)) for _ in range(20)]) < 20
    size = sum(path.stat().st_size for path in (tmp_path / FOLDER).rglob('*.png'))
    assert size <= 9000 and len(read_panels(tmp_path)) == len(list((tmp_path / FOLDER).glob('*/truth.png')))


def test_a_damaged_file_is_named(tmp_path):
    write_panels(tmp_path, [panel(np.random.default_rng(0))])
    (tmp_path / FOLDER / '00' / 'truth.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match=r'00/truth\.png: cannot be read'):
        read_panels(tmp_path)
    listed = tmp_path / FOLDER / 'panels.json'
    listed.write_text(json.dumps([FACTS | dict(dice='high')]))
    with pytest.raises(ValueError, match=r"panels\.json: field 'dice' of panel 00"):
        read_panels(tmp_path)
    listed.write_text('[')
    with pytest.raises(ValueError, match=r'panels\.json: is no JSON'):
        read_panels(tmp_path)
