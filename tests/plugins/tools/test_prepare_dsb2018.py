import cv2
import numpy as np
import pytest

from plugins.tools.prepare_dsb2018 import assign_splits, inner_boundary, main, modality, prepare, read_sample

COLOURS = dict(fluo=(10, 10, 10), gray_bright=(220, 220, 220), stained=(200, 120, 180))


def _write_image(source, name, kind='fluo', height=32, width=40, nuclei=((4, 12, 5, 15), (20, 28, 22, 36))):
    """One image folder with rectangular nuclei (top, bottom, left, right); 4 channels, as in the original."""
    folder = source / name
    (folder / 'images').mkdir(parents=True)
    (folder / 'masks').mkdir()
    image = np.full((height, width, 4), 255, np.uint8)
    image[..., :3] = COLOURS[kind]
    for i, (top, bottom, left, right) in enumerate(nuclei):
        image[top:bottom, left:right, :3] = np.array(COLOURS[kind]) // 2 + 60
        mask = np.zeros((height, width), np.uint8)
        mask[top:bottom, left:right] = 255
        cv2.imwrite(str(folder / 'masks' / f'{i}.png'), mask)
    cv2.imwrite(str(folder / 'images' / f'{name}.png'), image)
    return folder


@pytest.fixture
def source(tmp_path):
    source = tmp_path / 'stage1_train'
    for kind, count in (('fluo', 12), ('stained', 8), ('gray_bright', 4)):
        for i in range(count):
            _write_image(source, f'{kind[:2]}{i:08d}', kind)
    return source


def test_inner_boundary_of_touching_nuclei():
    instances = np.array([[1, 1, 1, 2, 2], [1, 1, 1, 2, 2], [1, 1, 1, 2, 2], [0, 0, 0, 0, 2], [0, 3, 0, 0, 2]])
    expected = np.array([[0, 0, 1, 1, 0], [0, 0, 1, 1, 0], [1, 1, 1, 1, 0], [0, 0, 0, 0, 1], [0, 1, 0, 0, 1]])
    assert np.array_equal(inner_boundary(instances), expected)


def test_modality_from_pixels():
    for kind, colour in COLOURS.items():
        image = np.full((20, 20, 3), colour, np.uint8)
        image[5:9, 5:9] = 100
        assert modality(image) == kind


def test_splits_are_dealt_within_each_modality():
    ids = dict(fluo=[f'f{i}' for i in range(40)], stained=[f's{i}' for i in range(20)], gray_bright=['g0', 'g1'])
    splits = assign_splits(ids, seed=3)
    for kind, test, val in (('fluo', 10, 6), ('stained', 5, 3)):
        dealt = [splits[name] for name in ids[kind]]
        assert (dealt.count('test'), dealt.count('val')) == (test, val)
    assert splits == assign_splits({kind: members[::-1] for kind, members in ids.items()}, seed=3)
    assert splits != assign_splits(ids, seed=4)
    # A modality is dealt alike whatever the others hold.
    alone = assign_splits(dict(stained=ids['stained']), seed=3)
    assert all(splits[name] == split for name, split in alone.items())


def test_a_miniature_download_is_turned_into_the_layout(source, tmp_path):
    out = tmp_path / 'data' / 'dsb2018'
    assert prepare(source, out) == dict(train=14, val=4, test=6)
    for folder in ('img_dir', 'ann_dir', 'ann_dir_border'):
        assert len(list((out / folder).rglob('*.png'))) == 24
    names = sorted(path.relative_to(out / 'img_dir') for path in (out / 'img_dir').rglob('*.png'))
    assert {path.name.rsplit('_', 1)[0] for path in names} == {'fluo', 'stained', 'gray_bright'}
    for name in names:
        image, nucleus, border = (
            cv2.imread(str(out / folder / name), cv2.IMREAD_UNCHANGED)
            for folder in ('img_dir', 'ann_dir', 'ann_dir_border')
        )
        assert image.ndim == (3 if name.name.startswith('stained') else 2)
        assert nucleus.sum() == 8 * 10 + 8 * 14
        assert (border == 2).sum() == 2 * (8 + 10) - 4 + 2 * (8 + 14) - 4
        assert np.array_equal(border > 0, nucleus > 0)


def test_wide_images_are_halved(tmp_path):
    folder = _write_image(tmp_path, 'wide', height=52, width=702, nuclei=((0, 20, 0, 100),))
    image, instances = read_sample(folder)
    assert image.shape == (26, 351, 3)
    assert (instances[:10, :50] == 1).all() and instances.sum() == 10 * 50
    image, instances = read_sample(_write_image(tmp_path, 'odd', height=51, width=701, nuclei=((0, 20, 0, 100),)))
    assert image.shape == (26, 351, 3) and instances.shape == (26, 351)
    assert read_sample(_write_image(tmp_path, 'not_wide', width=700))[0].shape == (32, 700, 3)


def test_missing_source_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(['--source', str(tmp_path / 'nowhere'), '--out', str(tmp_path / 'out')])
    assert exit_.value.code == 2
    assert 'nowhere' in capsys.readouterr().err


def test_image_without_masks_is_named_and_leaves_nothing(source, tmp_path):
    folder = _write_image(source, 'zz_unmasked')
    for mask in (folder / 'masks').iterdir():
        mask.unlink()
    (folder / 'masks').rmdir()
    with pytest.raises(FileNotFoundError, match='zz_unmasked.masks'):
        prepare(source, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_mask_of_another_size_is_named(tmp_path):
    folder = _write_image(tmp_path, 'odd')
    cv2.imwrite(str(folder / 'masks' / '1.png'), np.zeros((32, 39), np.uint8))
    with pytest.raises(ValueError, match='1.png is 32×39, its image 32×40'):
        read_sample(folder)


def test_damaged_image_is_named(source, tmp_path):
    (source / 'fl00000003' / 'images' / 'fl00000003.png').write_bytes(b'not a picture')
    with pytest.raises(ValueError, match='fl00000003.png cannot be read'):
        prepare(source, tmp_path / 'out')


def test_existing_output_is_kept(source, tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'mine').write_text('mine')
    with pytest.raises(FileExistsError, match='--out'):
        prepare(source, tmp_path / 'out')
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['mine']


def test_main_reports_the_counts(source, tmp_path, capsys):
    main(['--source', str(source), '--out', str(tmp_path / 'out'), '--seed', '2'])
    assert capsys.readouterr().out.strip().endswith('14 train, 4 val, 6 test')
