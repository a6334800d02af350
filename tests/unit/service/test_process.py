import platform
import subprocess
import sys

import pytest

#: A few reads of a large mail, made and let go again and again.
_READS = """
import resource
from gateway.service.process import keep_heap
{first}
def read():
    blocks = [b"x" * 256_000 for _ in range(16)]
read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    read()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(first: str, **environment: str) -> int:
    script = _READS.format(first=first)
    run = [sys.executable, "-c", script]
    return int(subprocess.run(run, check=True, capture_output=True, env=environment).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has no such settings")
def test_the_memory_of_a_large_mail_is_not_given_back_at_once() -> None:
    """Pages that the next read needs are not handed to the system and back, but where the admin says so."""
    assert _faults("keep_heap()") < 1_000 < _faults("keep_heap()", MALLOC_TRIM_THRESHOLD_="131072")
