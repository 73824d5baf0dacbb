"""The command line: thin, over functions. Its modules register their commands in the order of its help."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from medmae.cli import start, runs, weights  # isort: skip
from medmae.cli.app import app, sources
from medmae.errors import ExitCode

__all__ = ["app", "main", "runs", "sources", "start", "weights"]


def mistake(error: BaseException | None) -> Exception | None:
    """The user's mistake behind an error, or None; MONAI wraps in RuntimeErrors what a recipe raised."""
    while error is not None and not isinstance(error, ValueError | OSError | ModuleNotFoundError):
        error = error.__cause__
    return error


def explain(error: Exception) -> str:
    """The message, with a line on how to install what is missing."""
    if isinstance(error, ModuleNotFoundError) and error.name and str(error).startswith("No module named"):
        from medmae.doctor import install_hint

        return f"this needs the package {error.name}: {install_hint(error.name)}"
    return str(error) or type(error).__name__


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script ``medmae``: a user's mistake is one message and an exit code, without a traceback.

    Raises:
        SystemExit: Always, with one of :class:`medmae.errors.ExitCode`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Read when torch is loaded. Threads that spin while they wait make a small network ten times slower as soon as
    # anything else runs on the machine; threads that sleep cost nothing measurable when nothing does.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        app([argument for argument in given if argument != "--debug"], prog_name="medmae")
    except (ValueError, OSError, ModuleNotFoundError, RuntimeError) as error:
        cause = mistake(error)
        if cause is None or "--debug" in given:
            raise
        typer.echo(f"medmae: {explain(cause)}", err=True)
        sys.exit(getattr(cause, "exit_code", ExitCode.REFUSED))
