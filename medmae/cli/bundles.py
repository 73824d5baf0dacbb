"""Commands of bundles as folders."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from medmae.cli.app import app
from medmae.cli.completion import bundle_names

bundle = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
app.add_typer(bundle, name="bundle")


@bundle.callback(epilog="Example: medmae bundle copy mr_edge_mae_pretraining my_edge_mae_pretraining")
def _bundle() -> None:
    """Work with bundles as folders."""


@bundle.command(epilog="Example: medmae bundle copy mr_edge_mae_pretraining my_edge_mae_pretraining")
def copy(
    name: Annotated[str, typer.Argument(help="Of a shipped bundle; see medmae list.", autocompletion=bundle_names)],
    folder: Annotated[Path, typer.Argument(help="Folder to make; the last part is the copy's name.")],
) -> None:
    """Copy a shipped bundle, to change its recipes."""
    from medmae.bundle.copying import copy_bundle

    path = copy_bundle(name, folder)
    typer.echo(f"copied to: {path}")
    typer.echo(f"check it:  {shlex.join(['medmae', 'check', str(folder)])}")
    typer.echo(f"run it:    {shlex.join(['medmae', 'run', str(folder), 'train'])} --dataset_dir ... --output_dir ...")
