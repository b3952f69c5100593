import stat

import pytest

from plugins.datasets.new_folder import new_folder


def test_target_appears_at_the_end_only(tmp_path):
    target = tmp_path / 'deep' / 'data'
    with new_folder(target) as folder:
        (folder / 'a.txt').write_text('a')
        assert not target.exists()
    assert (target / 'a.txt').read_text() == 'a'
    assert [path.name for path in target.parent.iterdir()] == ['data']


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), new_folder(tmp_path / 'data') as folder:
        (folder / 'a.txt').write_text('a')
        raise KeyError('broken')
    assert list(tmp_path.iterdir()) == []


def test_empty_target_is_filled(tmp_path):
    (tmp_path / 'data').mkdir()
    with new_folder(tmp_path / 'data') as folder:
        (folder / 'a.txt').write_text('a')
    assert (tmp_path / 'data' / 'a.txt').exists()


def test_the_slower_writer_is_discarded(tmp_path):
    target = tmp_path / 'data'
    with pytest.raises(FileExistsError, match='data'), new_folder(target) as slow:
        (slow / 'who').write_text('slow')
        with new_folder(target) as fast:
            (fast / 'who').write_text('fast')
    assert (target / 'who').read_text() == 'fast'
    assert [path.name for path in tmp_path.iterdir()] == ['data']


def test_permissions_are_those_of_a_plain_mkdir(tmp_path):
    (tmp_path / 'plain').mkdir()
    with new_folder(tmp_path / 'data'):
        pass
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ('plain', 'data')]
    assert modes[0] == modes[1]
