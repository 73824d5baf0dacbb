"""The command line of a preparation, made of its function: names, types, defaults and help stand once."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from data_prep.outcome import PrepResult
from data_prep.preparation import Preparation
from medmae.errors import ExitCode

Prepare = Callable[..., PrepResult]
_NOT_TYPED = {"console"}  # of a program, not of a command line


def command_of(prepare: Prepare) -> Callable[..., None]:
    """A command with the parameters of ``prepare``: those without a default are arguments, the others options.

    The help text of each stands in the ``Args`` of its docstring.

    Args:
        prepare: Keyword-only; a ``str | Path`` is a path on the command line.

    Raises:
        KeyError: If a parameter has no line in the docstring.
    """
    hints, texts = get_type_hints(prepare), _texts(prepare)
    parameters = [
        parameter.replace(
            kind=inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=_annotated(parameter, hints[name], texts[name])
        )
        for name, parameter in inspect.signature(prepare).parameters.items()
        if name not in _NOT_TYPED
    ]

    def command(**given: object) -> None:
        raise typer.Exit(prepare(**given).exit_code)

    command.__doc__ = inspect.getdoc(prepare).split("\n\n")[0]  # type: ignore[union-attr]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


def prepare_with(kind: type[Preparation[Any]]) -> Prepare:
    """A function ``prepare(*, source, out, ...)`` that makes and runs a preparation, with its options and their texts.

    Args:
        kind: The preparation; its own options come before those that all have.
    """

    def prepare(**options: Any) -> PrepResult:
        return kind(**options).prepare()

    base = inspect.signature(Preparation).parameters
    own = [parameter for name, parameter in inspect.signature(kind).parameters.items() if name not in base]
    first, *others = (parameter for name, parameter in base.items() if name != "out")
    prepare.__signature__ = inspect.Signature([first, base["out"], *own, *others], return_annotation=PrepResult)  # type: ignore[attr-defined]
    prepare.__annotations__ = get_type_hints(kind) | {"return": PrepResult}
    # The last text of an option counts: a kind may say more of the source than all have in common.
    texts = [
        inspect.cleandoc(one.__doc__ or "").partition("Args:\n")[2].strip("\n")
        for one in reversed(kind.__mro__)
        if issubclass(one, Preparation)
    ]
    head = (inspect.getdoc(kind) or "").partition("Args:\n")[0]
    prepare.__doc__ = f"{head}Args:\n" + "\n".join(filter(None, texts))
    return prepare


def main_of(prepare: Prepare, *, name: str, example: str) -> Callable[..., None]:
    """The function behind ``python -m NAME SOURCE OUT``: a user's mistake is one message and exit code 2.

    It takes the arguments of the command line (None takes those of this process), and always raises SystemExit, with
    one of :class:`medmae.errors.ExitCode`.

    Args:
        prepare: What :mod:`medmae.cli` runs, too.
        name: Of the module.
        example: Arguments for the help text.
    """

    def main(arguments: list[str] | None = None) -> None:
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command(epilog=f"Example: python -m {name} {example}")(command_of(prepare))
        try:
            app(arguments, prog_name=name)
        except (ValueError, OSError, ModuleNotFoundError) as error:
            typer.echo(f"{name}: {error}", err=True)
            sys.exit(ExitCode.REFUSED)

    return main


def _annotated(parameter: inspect.Parameter, hint: Any, text: str) -> Any:  # noqa: ANN401
    if Path in get_args(hint):
        hint = Path | None if type(None) in get_args(hint) else Path
    if parameter.default is inspect.Parameter.empty:
        return Annotated[hint, typer.Argument(help=text)]
    flag = [f"--{parameter.name.replace('_', '-')}"] if hint is bool else []
    return Annotated[hint, typer.Option(*flag, help=text)]


def _texts(prepare: Prepare) -> dict[str, str]:
    """What the ``Args`` of a Google docstring say of each parameter."""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", inspect.getdoc(prepare) or "", re.MULTILINE | re.DOTALL)
    found = re.findall(r"^    (\w+): (.*?)(?=^    \w|\Z)", section[1] if section else "", re.MULTILINE | re.DOTALL)
    return {name: " ".join(text.split()).replace("``", "") for name, text in found}
