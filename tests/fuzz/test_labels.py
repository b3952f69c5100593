"""Damaged label and image files: read, or refused, and never read otherwise than mmsegmentation reads them."""

import warnings

import numpy as np
import pytest

from benchmarks.data.file_facts import UNREADABLE, read_image, read_mask, read_thumbnail

FOLDER = 'labels'


@pytest.fixture
def load():
    """mmsegmentation's loader of labels: gives the labels that it finds, or None where it fails."""
    import mmseg.datasets.transforms  # noqa: F401
    from mmseg.registry import TRANSFORMS

    loader = TRANSFORMS.build(dict(type='LoadAnnotations'))

    def labels(path):
        given = dict(seg_map_path=str(path), reduce_zero_label=False, label_map=None, seg_fields=[])
        try:
            return loader(given)['gt_seg_map']
        except Exception:
            return None

    return labels


def look_at(path, load):
    """Read a file in all ways, and compare the labels of a usable mask with those that are loaded."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of Pillow, on metadata and large sizes
        image, mask, small = read_image(str(path)), read_mask(str(path)), read_thumbnail(str(path))
        assert image.sha256 == mask.sha256 and image.thumbnail is None
        assert small.thumbnail is None or len(bytes.fromhex(small.thumbnail)) == 24 * 24
        if mask.problem or mask.labels is None:
            assert mask.problem or not path.name.endswith(('.png', '.jpg', '.bmp', '.webp'))
            return 'refused' if (mask.problem or '').startswith(UNREADABLE) else 'unusable'
        loaded = load(path)
    assert loaded is not None, 'the check finds nothing, and the loader fails'
    assert set(np.unique(loaded)) == {label % 256 for label in mask.labels}
    assert mask.height * mask.width == loaded.size == sum(mask.counts)
    return 'read'


def test_what_is_kept_is_read_or_refused_as_it_was(inputs, load):
    seen = {name: look_at(inputs.keep(name, data), load) for name, data in inputs.kept.items()}
    assert {name for name, how in seen.items() if how == 'refused'} == {
        name for name in inputs.kept if name.startswith('damaged_')
    }
    assert sum(how == 'read' for how in seen.values()) >= 6


def test_images_of_all_kinds_have_the_size_that_mmsegmentation_loads(inputs):
    """16 bits, CMYK, palettes, two and four channels, turned by EXIF: as images, not as masks."""
    import mmseg.datasets.transforms  # noqa: F401
    from mmseg.registry import TRANSFORMS

    load = TRANSFORMS.build(dict(type='LoadImageFromFile'))
    for name, data in inputs.kept.items():
        path = inputs.keep(name, data)
        facts = read_image(str(path))
        if not name.startswith(('damaged_', 'float')) and facts.height:  # the default backend loads no floats
            loaded = load(dict(img_path=str(path)))['img']
            assert loaded.shape == (facts.height, facts.width, 3) and loaded.dtype == np.uint8, name
    assert read_image(str(inputs.found / 'turned.jpg')).height == 11  # the file has 9 rows


@pytest.mark.slow
def test_damaged_files_are_read_or_refused(inputs, load, capfd):
    from mutations import mutated_bytes

    names, how = sorted(inputs.kept), dict.fromkeys(('read', 'refused', 'unusable'), 0)
    for number, rng in inputs.numbered():
        name = rng.choice(names)
        path = inputs.keep(f'{number % 4}_{name}', mutated_bytes(inputs.kept[name], rng))
        how[look_at(path, load)] += 1
    assert all(how.values()), how
