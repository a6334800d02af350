"""The pages of a large mail's file: what was read of them stays nobody's memory."""

import mmap
import re
import sys
from pathlib import Path

import pytest

from gateway.message.splice import blocks, let_go

OCTETS = 16 << 20
BLOCK = 1 << 18


def resident(path: Path) -> int:
    """Octets of the file that count as this process's memory (proc(5), smaps)."""
    maps = Path("/proc/self/smaps").read_text("utf-8")
    found = re.search(rf"{re.escape(str(path))}\n(?:.*\n)*?Rss: +(\d+) kB", maps)
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_blocks_leave_no_pages_behind(tmp_path: Path) -> None:
    """However large the file is, one block at a time; and the octets are those of the file all the same."""
    path = tmp_path / "mail"
    path.write_bytes(bytes(range(256)) * (OCTETS // 256))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        assert data.find(b"nowhere") < 0
        assert resident(path) > OCTETS // 2
        let_go(data)
        assert resident(path) == 0
        most = 0
        for block in blocks(data, ((0, OCTETS),), BLOCK):
            most = max(most, resident(path))
            assert block == bytes(range(256)) * (BLOCK // 256)
        assert most < OCTETS // 4  # the system brings in some more than was asked for, two megabytes at most
        assert resident(path) == 0
