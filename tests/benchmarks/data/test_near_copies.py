"""Near-copies of training images among test images are named with both ends; alike images of other things are not."""

import shutil

import likeness
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from benchmarks.data import near_copies
from benchmarks.data.file_facts import FileStore
from benchmarks.data.near_copies import near_copy_notes
from benchmarks.data.split import Split


def split(name, paths):
    names = [path.stem for path in paths]
    return Split(name, [*map(str, paths)], [''] * len(names), names, names, False, (), None, False, None, 255, ())


@pytest.fixture
def nuclei(tmp_path):
    """The paths of some training and test images."""
    folder = likeness.small_nuclei(tmp_path / 'nuclei', per_split=8) / 'img_dir'
    return [sorted((folder / name).iterdir()) for name in ('train', 'test')]


def notes(others, test, name='train'):
    return near_copy_notes(split(name, others), split('test', test), FileStore())


def test_separate_images_leave_no_note(nuclei):
    assert notes(*nuclei) == []


@pytest.mark.parametrize('how', ['encoded again', 'scaled', 'brighter'])
def test_a_copy_under_another_name_is_found(nuclei, how, tmp_path):
    train, test = nuclei
    image, path = Image.open(train[3]).convert('RGB'), tmp_path / 'other.jpg'
    if how == 'scaled':
        image = image.resize((150, 120))
    elif how == 'brighter':
        image = ImageEnhance.Brightness(image).enhance(0.7)
    image.save(path, quality=60)
    (note,) = notes(train, [*test, path])
    assert note.startswith('1 test image(s) are near-identical') and f'(test other ~ train {train[3].stem})' in note


def test_a_copy_of_a_validation_image_is_one_by_which_values_are_chosen(nuclei, tmp_path):
    validation, test = nuclei
    Image.open(validation[3]).convert('RGB').save(tmp_path / 'other.jpg', quality=60)
    (note,) = notes(validation, [*test, tmp_path / 'other.jpg'], 'val')
    assert (
        f'near-identical to a validation image, though not the same file (test other ~ val {validation[3].stem})'
        in note
    )
    assert 'values that are chosen on val are chosen on the test, in part' in note


def test_frames_of_a_video_that_was_split_at_random(nuclei, tmp_path):
    rng, paths = np.random.default_rng(0), []
    for place, path in enumerate(nuclei[0]):
        scene = np.asarray(Image.open(path).convert('L'), float)
        for frame in range(4):
            paths.append(tmp_path / f'{4 * place + frame}.png')
            Image.fromarray((scene + rng.normal(0, 2, scene.shape)).clip(0, 255).astype(np.uint8)).save(paths[-1])
    (note,) = notes(paths[0::2], paths[1::2])
    assert note.startswith('16 test image(s)')


def test_the_same_file_is_told_elsewhere(nuclei, tmp_path):
    train, test = nuclei
    shutil.copy(train[3], tmp_path / f'other{train[3].suffix}')
    assert notes(train, [*test, tmp_path / f'other{train[3].suffix}']) == []


def test_images_that_are_all_alike_are_no_copies(tmp_path):
    """A fixed camera, or retinas: a bright disc on black correlates almost perfectly with another one."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:96, :96]
    disc = 200 * ((rows - 48) ** 2 + (columns - 48) ** 2 < 44**2)
    paths = [tmp_path / f'{number}.png' for number in range(12)]
    for path in paths:
        blocks = np.kron(rng.normal(0, 8, (12, 12)), np.ones((8, 8)))
        Image.fromarray((disc + blocks).clip(0, 255).astype(np.uint8)).save(path)
    assert notes(paths[:6], paths[6:]) == []


def test_flat_and_unreadable_images_say_nothing(tmp_path):
    flat, other = tmp_path / 'flat.png', tmp_path / 'other.npy'
    Image.fromarray(np.full((40, 40), 7, np.uint8)).save(flat)
    other.write_bytes(b'x')
    assert notes([flat, other], [flat, other]) == notes([other], [other]) == []


def test_large_splits_are_compared_in_part_and_the_note_says_so(nuclei, tmp_path, monkeypatch):
    train, test = nuclei
    Image.open(train[0]).convert('RGB').save(tmp_path / 'other.jpg', quality=60)
    monkeypatch.setattr(near_copies, 'OTHERS', 4)
    (note,) = notes(train, [tmp_path / 'other.jpg', *test])
    assert note.startswith('1 test image(s) of 9 that were compared with 4 training images')
