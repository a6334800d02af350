import mmap
import os
import resource
from pathlib import Path

import pytest

from gateway.edge.spool import Spool


def test_small_content_stays_in_memory(tmp_path: Path) -> None:
    """Below the bound no file is made."""
    spool = Spool(memory=10, directory=tmp_path, reserve=0)
    spool.write(b"01234")
    spool.write(b"56789")
    assert spool.buffer() == b"0123456789"
    spool.close()


def test_large_content_is_a_file_without_a_name(tmp_path: Path) -> None:
    """Rule 27: past the bound an unlinked file; a crash leaves nothing behind."""
    spool = Spool(memory=10, directory=tmp_path, reserve=0)
    content = os.urandom(300_000)
    for at in range(0, len(content), 1_000):
        spool.write(content[at : at + 1_000])
    buffer = spool.buffer()
    assert isinstance(buffer, mmap.mmap)
    assert buffer[:] == content
    assert list(tmp_path.iterdir()) == []
    spool.close()
    assert buffer[:10] == content[:10]


def test_the_reserve_is_never_touched(tmp_path: Path) -> None:
    """Rule 27: with less than the reserve free nothing is written to disk; what was taken is still there."""
    spool = Spool(memory=10, directory=tmp_path, reserve=1 << 60)
    spool.write(b"0123456789")
    with pytest.raises(OSError, match="reserve"):
        spool.write(b"more")
    assert spool.buffer() == b"0123456789"
    spool.close()


def test_a_folder_that_is_gone_is_an_oserror(tmp_path: Path) -> None:
    """A fault of the disk is told as one, so that the mail goes untouched."""
    spool = Spool(memory=1, directory=tmp_path / "missing", reserve=0)
    with pytest.raises(OSError, match="missing"):
        spool.write(b"too much")
    assert spool.buffer() == b""
    spool.close()


@pytest.mark.parametrize("limit", [0, 3, 10, 12, 17, 20, 21], ids=lambda limit: f"{limit}-octets")
def test_a_disk_that_is_full_in_the_middle_of_a_piece(tmp_path: Path, limit: int) -> None:
    """Rule 3: a piece that found only half of its place is not there at all; it goes out by another way."""
    spool = Spool(memory=10, directory=tmp_path, reserve=0)
    pieces = [b"01234", b"56789", b"abcdefg", b"hijklmn"]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    left = []
    try:
        for at, piece in enumerate(pieces):
            try:
                spool.write(piece)
            except OSError:
                left = pieces[at:]
                break
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert left
    assert spool.buffer()[:] + b"".join(left) == b"".join(pieces)
    spool.close()
