"""Pickles recognised by their bytes, and the one that is allowed read opcode by opcode; nothing is unpickled."""

from __future__ import annotations

import pickletools
import re
import zipfile
from typing import IO, cast

from medmae.bundle.check.source import Bundle

MODEL = "models/model.pt"
_PROTOCOL = re.compile(rb"\x80[\x02-\x05]")
_OBJECT_ARRAY = re.compile(rb"\x93NUMPY.{1,200}'descr': *'?\[?[^,}]*O", flags=re.DOTALL)
_LOCAL_HEADER = b"PK\x03\x04"
_MAX_PICKLE = 50_000_000  # bytes of opcodes; tensors lie beside them
# What torch.save writes for a state dict of tensors.
_STATE_DICT = frozenset(
    {"collections OrderedDict", "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter"}
    | {
        f"torch {kind}Storage"
        for kind in ("BFloat16", "Bool", "Byte", "Char", "Double", "Float", "Half", "Int", "Long")
    }
    | {"torch ShortStorage", "torch.storage UntypedStorage"}
)
_NAMING = frozenset({"GLOBAL", "INST", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4"})
# After a name: what calls it, or the end, at which the name is the result. Text that happens to begin like a pickle
# has no name of one word on each of two lines, with such an opcode behind them.
_CALLING = frozenset({"BUILD", "INST", "NEWOBJ", "NEWOBJ_EX", "OBJ", "REDUCE", "STOP"})
_GROUPING = frozenset({"EMPTY_TUPLE", "MARK", "TUPLE1", "TUPLE2", "TUPLE3"})
_MAX_OPCODES = 1_000_000  # so many in a row are no chance; whether one of them calls is not looked for any longer
_NAME = re.compile(r"[A-Za-z_][\w.]* [A-Za-z_][\w.]*")
_REFUSED = frozenset({"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID"})


def pickle_problem(bundle: Bundle, name: str) -> str | None:
    """Why a file is a pickle that has no place in a bundle; None if it is none, or the allowed one."""
    if name == MODEL:
        with bundle.opener(name) as file:
            return _state_dict_problem(file)
    if name.endswith(".ckpt"):
        return "is a pickle by its name"
    with bundle.opener(name) as file:
        head = file.read(512)
        if _PROTOCOL.match(head):
            return "is a pickle by its bytes"
        if _OBJECT_ARRAY.match(head):
            return "is an array of pickled objects"
        file.seek(0)
        if head[:2] == b"PK":
            return _archive_problem(file)
        return "is a pickle by its bytes" if _calls(file) else None


class _Start:
    """The start of a file, for a reader that believes the lengths which the file declares."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._left = file, _MAX_PICKLE

    def read(self, size: int) -> bytes:
        """So many bytes; fewer at the end."""
        return self._given(self._file.read(min(size, self._left)))

    def readline(self) -> bytes:
        """A line; a part of it at the end."""
        return self._given(self._file.readline(self._left))

    def _given(self, content: bytes) -> bytes:
        self._left -= len(content)
        return content


def _calls(file: IO[bytes]) -> bool:
    """Whether Python would import and call something if it unpickled a file, of whatever protocol, from its start."""
    seen: set[str] = set()
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(cast(IO[bytes], _Start(file)))):
            if count == _MAX_OPCODES:
                return True
            if opcode.name in _NAMING and isinstance(argument, str) and not _NAME.fullmatch(argument):
                return False
            seen.add(opcode.name)
            grouped = opcode.name == "STOP" or seen & _GROUPING
            if opcode.name in _CALLING and grouped and seen & _NAMING:
                return True
    except (ValueError, OverflowError, MemoryError, zipfile.BadZipFile):
        return False
    return False


def _archive_problem(file: IO[bytes]) -> str | None:
    """An .npz or another zip file: what its members begin with."""
    try:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                with archive.open(info) as member:
                    head = member.read(512)
                    member.seek(0)
                    found = _PROTOCOL.match(head) or _OBJECT_ARRAY.match(head) or _calls(member)
                if found or info.filename.endswith(".pkl"):
                    return f"holds the pickle {info.filename}"
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError) as error:
        return f"is a zip file that cannot be looked into ({error})"
    return None


def _state_dict_problem(file: IO[bytes]) -> str | None:
    if file.read(4) != _LOCAL_HEADER:  # zipfile looks for the end of an archive, torch at the beginning of a file
        return "does not begin as a zip file, and torch would read a pickle in front of it"
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            programs = [info for info in archive.infolist() if info.filename.endswith(".pkl")]
            if len(programs) != 1 or programs[0].file_size > _MAX_PICKLE:
                return f"holds {len(programs)} pickles; a state dict has one"
            for opcode, argument, _ in pickletools.genops(archive.read(programs[0])):
                if opcode.name in _REFUSED or (opcode.name == "GLOBAL" and argument not in _STATE_DICT):
                    return f"holds more than tensors ({opcode.name} {argument or ''})".replace(" )", ")")
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError, OSError) as error:
        return f"is no file of torch.save ({error})"
    return None
