"""How a command ends: a message and an exit code; a traceback goes to a file, or to the screen with ``--debug``."""

from __future__ import annotations

import shlex
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

import medmae
from medmae.errors import ExitCode, Stopped, mistake


class Commands(TyperGroup):
    """Commands that Ctrl-C ends with the exit code that shells know, and a line of their own."""

    # typer's Context comes from another module in each of its versions, hence Any.
    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Runs a command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("medmae: interrupted", err=True)
            raise SystemExit(ExitCode.INTERRUPTED) from None


def code_of(error: BaseException, given: Sequence[str]) -> ExitCode:
    """Tells what went wrong, in a line, and gives the exit code.

    Args:
        error: What a command raised.
        given: Its arguments.
    """
    cause = mistake(error)
    if cause is not None:
        typer.echo(f"medmae: {explain(cause)}", err=True)
        return ExitCode(getattr(cause, "exit_code", ExitCode.REFUSED))
    typer.echo(f"medmae: {_crash(error, given)}", err=True)
    return ExitCode.CRASHED


def explain(error: Exception) -> str:
    """The message, with a line on how to install what is missing."""
    if isinstance(error, ModuleNotFoundError) and error.name and str(error).startswith("No module named"):
        from medmae.doctor import install_hint

        return f"this needs the package {error.name}: {install_hint(error.name)}"
    return str(error) or type(error).__name__


def tell_resume(stopped: Stopped, given: Sequence[str]) -> None:
    """The command that goes on where a training was stopped."""
    words, skip = [], False
    for word in given:
        if not skip and not word.startswith("--checkpoint="):
            skip = word == "--checkpoint"
            words += [] if skip else [word]
        else:
            skip = False
    command = shlex.join(["medmae", *words, "--checkpoint", str(stopped.checkpoint)])
    typer.echo(f"medmae: stopped, nothing is lost; this goes on from there: {command}", err=True)


def _crash(error: BaseException, given: Sequence[str]) -> str:
    """Writes a traceback to a file; what to do with that."""
    while error.__cause__ is not None:  # MONAI prints its configuration around it
        error = error.__cause__
    said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    lines = [f"medmae {medmae.__version__}, Python {sys.version}", shlex.join(["medmae", *given]), ""]
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="medmae-crash-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write("\n".join([*lines, *traceback.format_exception(error)]))
    except OSError:
        return f"crashed ({said}): run it again with --debug and send what is printed to the developers of medmae"
    return (
        f"crashed ({said}): send {Path(file.name)} to the developers of medmae, after a look at it: it names your paths"
    )
