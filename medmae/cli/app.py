"""The command ``medmae`` itself: its options, and the preparations, which are found without importing them."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperCommand, TyperGroup

import medmae
from medmae.cli.ending import Commands
from medmae.packages import DATA_PREP, own_data_prep

console = Console()
app = typer.Typer(
    name="medmae",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def sources() -> list[str]:
    """Modules of ``data_prep`` that are a source of data, without importing them: those with an ``EXAMPLE``."""
    files = sorted(DATA_PREP.glob("*.py"))
    return [file.stem for file in files if "\nEXAMPLE = " in file.read_text(encoding="utf-8")]


class Sources(TyperGroup):
    """``medmae prep``: modules of ``data_prep`` with ``prepare`` and ``EXAMPLE``, imported on demand."""

    # typer's Context comes from another module in each of its versions, hence Any.
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401
        """Names, without importing anything."""
        return sources()

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:  # noqa: ANN401
        """What a shell completes, without importing anything."""
        names = TyperGroup(name="prep", commands={name: TyperCommand(name) for name in sources()})
        return names.shell_complete(type(ctx)(names, parent=ctx.parent, resilient_parsing=True), incomplete)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401
        """The command of one source, or None."""
        if cmd_name not in sources():
            return None
        holder = typer.Typer(add_completion=False, rich_markup_mode="rich")
        own_data_prep()
        module = importlib.import_module(f"data_prep.{cmd_name}")
        command = importlib.import_module("data_prep.command").command_of(module.prepare)
        holder.command(cmd_name, epilog=f"Example: medmae prep {cmd_name} {module.EXAMPLE}")(command)
        return typer.main.get_command(holder)


prep = typer.Typer(cls=Sources, no_args_is_help=True, rich_markup_mode="rich")
app.add_typer(prep, name="prep")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"medmae {medmae.__version__}")
        raise typer.Exit


@app.callback(epilog="Example: medmae demo")
def _main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")] = False,
) -> None:
    """Masked-autoencoder self-supervised learning for everything a hospital records."""


@prep.callback(epilog="Example: medmae prep mr raw/ prepared/")
def _prep() -> None:
    """Prepare data: from files to shards and a manifest."""
