import re
from dataclasses import replace

import likeness
import numpy as np
import pytest
from PIL import Image

from benchmarks.data.declared_groups import declared_groups
from benchmarks.data.file_facts import FileStore
from benchmarks.data.neighbours import group_pattern, neighbour_notes, single_group_warning
from benchmarks.data.split import Split


def _split(folder, name='test', names=None, **fields):
    paths = sorted(folder.iterdir())
    names = names or [path.stem for path in paths]
    groups = fields.pop('groups', names)
    grouped = groups is not names
    return Split(
        name, [str(path) for path in paths], [''] * len(paths), names, groups, grouped, (), None, False, None, 255, ()
    )


@pytest.fixture(scope='module')
def nuclei(tmp_path_factory):
    return likeness.small_nuclei(tmp_path_factory.mktemp('nuclei'), per_split=8)


@pytest.fixture(scope='module')
def video(nuclei, tmp_path_factory):
    return likeness.video_frames(nuclei, tmp_path_factory.mktemp('video'))


def test_frames_that_count_as_independent_are_pointed_out_with_the_line_that_declares_groups(video):
    train, test = (_split(video / 'img_dir' / name, name) for name in ('train', 'test'))
    (note,) = neighbour_notes(train, test, FileStore())
    assert note.startswith('test data: 16 of 23 images that were compared with the next one are near-identical')
    assert '(clip200_frame_0000 and clip200_frame_0001)' in note and note.endswith(
        "metainfo, for example group='(.*)_frame'"
    )


def test_declared_groups_and_independent_images_with_running_numbers_leave_no_note(video, nuclei):
    train, test = (_split(nuclei / 'img_dir' / name, name) for name in ('train', 'test'))
    assert neighbour_notes(train, test, FileStore()) == []
    frames = _split(video / 'img_dir' / 'test')
    grouped = _split(video / 'img_dir' / 'test', groups=[name.partition('_')[0] for name in frames.names])
    assert neighbour_notes(train, grouped, FileStore()) == []


def test_frames_of_one_sequence_in_both_splits_are_pointed_out(video):
    paths = sorted((video / 'img_dir' / 'test').iterdir())

    def every_third(name, is_test):
        chosen = [path for index, path in enumerate(paths) if (index % 3 == 1) == is_test]
        names = [path.stem for path in chosen]
        return Split(name, [*map(str, chosen)], [''] * len(names), names, names, False, (), None, False, None, 255, ())

    (note,) = neighbour_notes(every_third('train', False), every_third('test', True), FileStore())
    assert 'train clip200_frame_0000 and test clip200_frame_0001' in note and 'scores on test are too good' in note


def test_of_names_with_a_running_number_alone_no_expression_is_suggested(video):
    """'(.*?)' before the number would make one group of each split."""
    paths = sorted((video / 'img_dir' / 'test').iterdir())
    names = [f'test{number:02d}' for number in range(len(paths))]
    train, test = _split(video / 'img_dir' / 'train', 'train'), _split(video / 'img_dir' / 'test', names=names)
    (note,) = neighbour_notes(train, test, FileStore())
    assert 'example group=' not in note and "as 'test00,1' below" in note and "group=dict(csv='groups.csv'" in note
    _, name, rest = re.split(r"as '(\w+),1' below the line 'image,sequence'", note)
    table = video / 'groups.csv'
    table.write_text('image,sequence\n' + ''.join(f'{name},{number // 8}\n' for number, name in enumerate(names)))
    groups = declared_groups(eval(rest.partition('group=')[2]), names, str(video))
    assert len(set(groups)) == len(names) // 8


def test_the_suggested_expression_fits_the_names_of_both_splits(video):
    test = _split(video / 'img_dir' / 'test', 'test')
    train = _split(video / 'img_dir' / 'train', 'train')
    other = replace(train, names=[f'still{number}' for number in range(len(train.names))])
    assert "group='(.*)_frame'" in neighbour_notes(train, test, FileStore())[0]
    assert "group=dict(csv='groups.csv'" in neighbour_notes(other, test, FileStore())[0]


def test_test_images_are_counted_once_though_they_have_two_neighbours(video):
    paths = sorted((video / 'img_dir' / 'test').iterdir())
    parts = [replace(_split(video / 'img_dir' / 'test'), name=name) for name in ('train', 'test')]
    for part, start in zip(parts, (0, 1)):
        chosen = paths[start::2]
        part.images[:], part.masks[:] = map(str, chosen), [''] * len(chosen)
        part.names[:] = part.groups[:] = [path.stem for path in chosen]
    across = neighbour_notes(*parts, FileStore())[-1]
    alike, of = map(int, re.match(r'(\d+) of (\d+) test images', across).groups())
    assert alike <= of <= len(parts[1].names)


def test_a_single_group_of_all_test_images_is_told(video):
    frames = _split(video / 'img_dir' / 'test')
    one = replace(frames, groups=['test'] * len(frames.names), grouped=True)
    assert single_group_warning(frames) is None
    assert single_group_warning(one).startswith(
        f"test data: all {len(frames.names)} images are of one group, 'test': no interval"
    )


def test_similar_images_of_different_things_are_no_frames(tmp_path, nuclei):
    """A bright disc on black, as in each retina image, correlates; what lies within the disc does not."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:96, :96]
    disc = (rows - 48) ** 2 + (columns - 48) ** 2 < 44**2
    for number in range(12):
        blocks = np.kron(rng.normal(150, 30, (12, 12)), np.ones((8, 8)))
        Image.fromarray((disc * blocks).clip(0, 255).astype(np.uint8)).save(tmp_path / f'{number:02d}_test.png')
    train = _split(nuclei / 'img_dir' / 'train', 'train')
    assert neighbour_notes(train, _split(tmp_path), FileStore()) == []


def test_a_thumbnail_is_remembered_and_a_file_of_another_format_has_none(tmp_path, monkeypatch):
    import os

    from benchmarks.data import file_facts

    path = tmp_path / 'a.png'
    Image.fromarray(np.arange(6400, dtype=np.uint16).reshape(80, 80)).save(path)
    (tmp_path / 'b.npy').write_bytes(b'x')
    os.utime(path, (1_500_000_000, 1_500_000_000))
    with FileStore(tmp_path / 'cache') as files:
        first, none = files.thumbnails([str(path), str(tmp_path / 'b.npy')])
    assert first.size == file_facts.THUMBNAIL_PX**2 and first.min() == 0 and first.max() == 255 and none is None
    monkeypatch.setattr(file_facts, 'read_thumbnail', lambda path: pytest.fail('read again'))
    with FileStore(tmp_path / 'cache') as files:
        assert (files.thumbnails([str(path)])[0] == first).all()


def test_the_pattern_of_a_name():
    names = ('clip02_frame_0001', 'a7/0001', 'seq3-17', 'pig12', '0001')
    assert [group_pattern(name) for name in names] == ['(.*)_frame', r'(.*)/\d+', r'(.*)-\d+', r'(.*?)\d+', r'(.*?)\d+']
