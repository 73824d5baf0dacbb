"""Weight files that are something else: a page saved in their place, a pointer, nothing at all."""

from __future__ import annotations

import re
from pathlib import Path

from medmae.errors import DataError
from medmae.files import sha256_of

FETCH = "fetch it again, and compare its sha256 with the published one"
_PAGE = re.compile(rb"<(!doctype|html|head|\?xml)", flags=re.IGNORECASE)
_TITLE = re.compile(rb"<title[^>]*>\s*(.*?)\s*</title>", flags=re.IGNORECASE | re.DOTALL)
_HEAD = 4096  # bytes that are looked at


def damaged(path: Path, cause: str, *, remedy: str = FETCH) -> DataError:
    """The error for a file that cannot be weights: its name, its size, and the likely cause."""
    return DataError(f"{cause} ({path.stat().st_size:,} bytes)", path=path, remedy=remedy)


def refuse_other_files(path: Path) -> None:
    """Refuses what a failed download leaves behind.

    Raises:
        DataError: If the file is empty, a web page, a git-LFS pointer or other text.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise damaged(path, "the file is empty: a download or a copy that never began, or a full disk")
    if head.startswith(b"version https://git-lfs"):
        remedy = "run `git lfs pull` where it was cloned, or fetch the file itself"
        raise damaged(path, "a git-LFS pointer, which stands in for the weights", remedy=remedy)
    if _PAGE.match(head.lstrip()):
        title = _TITLE.search(head)
        called = f', titled "{title[1][:80].decode(errors="replace")}"' if title else ""
        remedy = "open the address in a browser: it wants a login, or the file has moved; then fetch it again"
        raise damaged(path, f"a web page saved in place of the weights{called}", remedy=remedy)
    if _is_text(head):
        raise damaged(path, f"text in place of the weights, which begins {head[:60].decode()!r}")


def refuse_wrong_hash(path: Path, expected: str) -> None:
    """Compares a file with its published sha256.

    Raises:
        ValueError: If ``expected`` is no sha256.
        DataError: If the file has another one.
    """
    if not re.fullmatch(r"[0-9a-fA-F]{64}", expected):
        raise ValueError(f"a sha256 has 64 hexadecimal digits, got {expected!r}")
    found = sha256_of(path)
    if found != expected.lower():
        cause = f"wrong sha256: expected {expected.lower()}, found {found}; another version, damaged, or replaced"
        raise damaged(path, cause, remedy="fetch it again; if it stays so, ask its publisher, and do not use it")


def _is_text(head: bytes) -> bool:
    try:
        return all(letter.isprintable() or letter.isspace() for letter in head[:60].decode("ascii"))
    except UnicodeDecodeError:
        return False
