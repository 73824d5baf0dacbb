"""What users see when something is wrong: which file, which field, which value, and what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """Exit codes of every ``medmae`` command."""

    OK = 0
    SOME_FAILED = 1  # the run went on and finished, but at least one case was quarantined
    REFUSED = 2  # bad arguments, bad data, bad bundle: nothing was done
    NOT_FINITE = 3  # training stopped because losses stayed NaN or infinite
    CRASHED = 70  # an error of medmae or of a library, not of the user; a file says where
    HUNG_UP = 129  # as a shell says of a process that ended by SIGHUP,
    INTERRUPTED = 130  # by SIGINT, which is Ctrl-C,
    TERMINATED = 143  # or by SIGTERM; a training has written its checkpoint before


class DataError(ValueError):
    """A file or a record that cannot be used as it is.

    Args:
        reason: What is wrong, as one sentence without a full stop.
        path: The file (or row) at fault.
        field: The header field, column or key at fault.
        value: The value found there.
        remedy: What the user can do about it.
    """

    exit_code = ExitCode.REFUSED

    def __init__(
        self,
        reason: str,
        *,
        path: str | Path | None = None,
        field: str | None = None,
        value: object = None,
        remedy: str | None = None,
    ) -> None:
        self.reason, self.path, self.field, self.value, self.remedy = reason, path, field, value, remedy
        super().__init__(self._text())

    def _text(self) -> str:
        parts = [f"{self.path}: {self.reason}" if self.path is not None else self.reason]
        if self.field is not None:
            parts.append(f"[{self.field} = {self.value!r}]")
        if self.remedy:
            parts.append(f"-> {self.remedy}")
        return " ".join(parts)


class SomeFailedError(DataError):
    """Some cases of a run failed; the others were finished."""

    exit_code = ExitCode.SOME_FAILED


class MachineError(OSError):
    """The machine is short of something, and no file is at fault: another sample would fare no better."""

    exit_code = ExitCode.REFUSED


_SHORT = {
    errno.EMFILE: "this process has as many files open as it may: raise the limit, `ulimit -n 65536`, and start again",
    errno.ENFILE: "the machine has as many files open as it can: close other programs",
    errno.ENOMEM: "the machine is out of memory: close other programs, or take fewer workers and smaller batches",
    errno.ENOSPC: "the disk is full: free some space, or write to another one",
    errno.EDQUOT: "your quota on this disk is used up: free some space, or write to another one",
}


@contextmanager
def naming_machine_faults() -> Iterator[None]:
    """Raises as :class:`MachineError` what a library raises where the machine, and no file, is at fault."""
    try:
        yield
    except OSError as error:
        if error.errno in _SHORT:
            raise MachineError(f"{_SHORT[error.errno]} ({error})") from error
        raise


class Stopped(SystemExit):
    """A training that was told to stop, and has written its checkpoint.

    Args:
        code: Of the process.
        checkpoint: From which it goes on.
    """

    def __init__(self, code: ExitCode, *, checkpoint: Path) -> None:
        super().__init__(code)
        self.checkpoint = checkpoint


class LaterFailures:
    """Keeps what some steps of a run left out until the others, such as record and report, are done.

    >>> failures = LaterFailures()
    >>> with failures.kept():
    ...     raise SomeFailedError("1 of 3 slides was left out")
    >>> failures.raise_any()
    Traceback (most recent call last):
        ...
    medmae.errors.SomeFailedError: 1 of 3 slides was left out
    """

    def __init__(self) -> None:
        self.reasons: list[str] = []

    @contextmanager
    def kept(self) -> Iterator[None]:
        """A step that may leave cases out; any other error is raised at once."""
        try:
            yield
        except SomeFailedError as error:
            self.add(str(error))

    def add(self, reason: str) -> None:
        """Keeps what a step told in another way."""
        self.reasons.append(reason)

    def raise_any(self) -> None:
        """Raises what was kept.

        Raises:
            SomeFailedError: If there is anything.
        """
        if self.reasons:
            raise SomeFailedError(". ".join(self.reasons))


def mistake(error: BaseException | None) -> Exception | None:
    """The user's mistake behind an error, or None; MONAI wraps in RuntimeErrors what a recipe raised."""
    while error is not None and not isinstance(error, ValueError | OSError | ModuleNotFoundError):
        error = error.__cause__
    return error


def check_choice(value: str, choices: Sequence[str], *, name: str) -> None:
    """Refuses a word that is not one of the choices; a misspelt option must not pick another silently.

    Raises:
        ValueError: With the value and the choices.
    """
    if value not in choices:
        raise ValueError(f"{name} must be {' or '.join(map(repr, choices))}, got {value!r}")
