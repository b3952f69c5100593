import hashlib
import os
import shutil
from dataclasses import replace

import pytest

from benchmarks.data.file_facts import FileStore
from benchmarks.data.fingerprint import fingerprint, names_digest
from benchmarks.data.split import Split
from benchmarks.errors import BadInput


@pytest.fixture
def split(tmp_path):
    images, masks = [], []
    for i in range(3):
        for kind, paths in (('img', images), ('ann', masks)):
            path = tmp_path / 'data' / kind / f'{i}.dat'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f'{kind} {i}'.encode())
            os.utime(path, (1_500_000_000, 1_500_000_000))
            paths.append(str(path))
    return Split('train', images, masks, ['0', '1', '2'], ['p', 'q', 'p'], True, ('a', 'b'), None, False, None, 255, ())


def _moved(split, old, new):
    return replace(
        split,
        images=[path.replace(str(old), str(new)) for path in split.images],
        masks=[path.replace(str(old), str(new)) for path in split.masks],
    )


def test_it_is_the_digest_of_digests(split):
    def digest(text):
        return hashlib.sha256(text.encode()).hexdigest()

    text = ''.join(f'{digest(f"img {i}")} {digest(f"ann {i}")} {group}\n' for i, group in enumerate([0, 1, 0]))
    assert fingerprint(split) == digest(text)


def test_copying_the_data_elsewhere_changes_nothing(split, tmp_path):
    shutil.copytree(tmp_path / 'data', tmp_path / 'copy')
    assert fingerprint(_moved(split, tmp_path / 'data', tmp_path / 'copy')) == fingerprint(split)
    assert fingerprint(replace(split, name='test', names=['x', 'y', 'z'], groups=['u', 'v', 'u'])) == fingerprint(split)


def test_names_and_groups_have_a_digest_of_their_own(split, tmp_path):
    shutil.copytree(tmp_path / 'data', tmp_path / 'copy')
    digests = {
        names_digest(changed)
        for changed in (
            split,
            replace(split, names=['0', '1', 'x']),
            replace(split, groups=['p', 'q', 'x']),
            replace(split, names=['1', '0', '2']),
            replace(split, names=split.groups, groups=split.names),
        )
    }
    assert len(digests) == 5
    assert names_digest(_moved(split, tmp_path / 'data', tmp_path / 'copy')) == names_digest(split)


@pytest.mark.parametrize(
    'change',
    [
        lambda s: replace(s, images=s.images[::-1], masks=s.masks[::-1], groups=s.groups[::-1]),
        lambda s: replace(s, images=s.images[:2], masks=s.masks[:2], groups=s.groups[:2]),
        lambda s: replace(s, groups=['p', 'q', 'q']),
        lambda s: replace(s, masks=[s.masks[0], s.masks[2], s.masks[1]]),
        lambda s: replace(s, masks=['', *s.masks[1:]]),
    ],
    ids=['order', 'one image less', 'groups', 'masks swapped', 'mask taken away'],
)
def test_what_changes_it(split, change):
    assert fingerprint(change(split)) != fingerprint(split)


@pytest.mark.parametrize('victim', ['images', 'masks'])
def test_changed_bytes_change_it_with_a_cache_too(split, tmp_path, victim):
    with FileStore(tmp_path / 'cache') as files:
        before = fingerprint(split, files)
    with FileStore(tmp_path / 'cache') as files:
        assert fingerprint(split, files) == before
    path = getattr(split, victim)[1]
    with open(path, 'rb') as file:
        size = len(file.read())
    with open(path, 'wb') as file:
        file.write(b'?' * size)
    with FileStore(tmp_path / 'cache') as files:
        assert fingerprint(split, files) != before


def test_a_missing_file_is_named(split):
    os.unlink(split.masks[2])
    with pytest.raises(BadInput, match='train data: .*ann/2.dat is missing'):
        fingerprint(split)
