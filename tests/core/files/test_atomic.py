"""Files are there whole or not at all."""

import pytest

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files.atomic import atomic_path


def test_file_appears_when_the_block_ends(tmp_path):
    target = tmp_path / 'a.txt'
    with atomic_path(target) as temporary:
        temporary.write_text('new')
        assert not target.exists()
    assert target.read_text() == 'new'
    assert list(tmp_path.iterdir()) == [target]


def write_half(path):
    with atomic_path(path) as temporary:
        temporary.write_text('half')
        raise OSError('full')


def test_failure_leaves_what_was_there(tmp_path):
    target = tmp_path / 'a.txt'
    target.write_text('old')
    with pytest.raises(OSError, match='full'):
        write_half(target)
    assert target.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_not_replaced(tmp_path):
    with pytest.raises(InputError, match='not a regular file'), atomic_path(tmp_path):
        pass
    assert tmp_path.is_dir()


def test_full_disk_is_told_with_the_name_of_the_file(tmp_path):
    target = tmp_path / 'a.txt'
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.txt'"):
        fill(target)


def fill(path):
    with atomic_path(path):
        raise OSError(28, 'whatever a library says')
