"""The command line: thin, over functions. Its modules register their commands in the order of its help."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from medmae.cli import start, runs, bundles, weights  # isort: skip
from medmae.cli.app import app, sources
from medmae.cli.ending import code_of, tell_resume
from medmae.cli.plain import plain_warnings
from medmae.errors import Stopped

__all__ = ["app", "bundles", "main", "runs", "sources", "start", "weights"]


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script ``medmae``: whatever happens is one message and an exit code, without a traceback.

    Raises:
        SystemExit: Always, with one of :class:`medmae.errors.ExitCode`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Read when torch is loaded. Threads that spin while they wait make a small network ten times slower as soon as
    # anything else runs on the machine; threads that sleep cost nothing measurable when nothing does.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    debug = "--debug" in given
    try:
        with nullcontext() if debug else plain_warnings():
            app([argument for argument in given if argument != "--debug"], prog_name="medmae")
    except Stopped as stopped:
        if os.environ.get("LOCAL_RANK", "0") == "0":  # one of several processes tells it
            tell_resume(stopped, given)
        raise
    except Exception as error:
        if debug:
            raise
        sys.exit(code_of(error, given))
