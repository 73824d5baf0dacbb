"""Freed memory stays with the process."""

import platform
import subprocess
import sys

import pytest

# A process of its own: the setting holds for the rest of a process.
SCRIPT = """
import resource, sys, torch
from medmae.allocator import keep_freed_memory
torch.set_num_threads(1)
if sys.argv[1] == "kept":
    assert keep_freed_memory()
torch.ones(64, 2**18)  # 64 MiB
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for megabytes in (60, 56, 52):  # a freed block serves what is smaller than itself
    torch.ones(megabytes, 2**18)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode: str) -> int:
    result = subprocess.run([sys.executable, "-c", SCRIPT, mode], capture_output=True, text=True, check=True)
    return int(result.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has such a setting")
def test_memory_that_was_freed_is_used_again_without_page_faults():
    assert page_faults("kept") < 50
    assert page_faults("returned") > 1000  # else this test shows nothing


def test_other_c_libraries_are_left_alone(monkeypatch):
    from medmae import allocator

    monkeypatch.setattr(platform, "libc_ver", lambda: ("musl", "1.2"))
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: pytest.fail("mallopt must not be looked for"))
    assert not allocator.keep_freed_memory()
