"""Commands of weight files; what is heavy is imported by the command that needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medmae.cli.app import app


@app.command(
    "import",
    epilog="Example: medmae import mae_pretrain_vit_base.pth start.safetensors --source mae --encoder-only"
    " --set image_size=160,256 --set in_channels=1 --adapt positions --adapt channels",
)
def import_weights(
    weights: Annotated[Path, typer.Argument(help="Published: .safetensors, .pth, .pt, .ckpt, .bin, or a folder.")],
    out: Annotated[Path, typer.Argument(help="Receives them under our keys (.safetensors).")],
    source: Annotated[str | None, typer.Option(help="Its layout: mae, timm, vit_mae, monai, ...; none: ours.")] = None,
    method: Annotated[str, typer.Option(help="A method of `medmae list`.")] = "mae",
    preset: Annotated[str, typer.Option(help="Its sizes.")] = "base",
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value of the method; repeatable.")] = None,
    encoder_only: Annotated[bool, typer.Option("--encoder-only", help="Leave a decoder or a head behind.")] = False,
    adapt: Annotated[list[str] | None, typer.Option(help="Rule for other sizes (docs/weights.md); repeatable.")] = None,
    file_grid: Annotated[str | None, typer.Option(help="Tokens along each axis of the file, such as 10,16.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Published hash of the file.")] = None,
) -> None:
    """Read published weights into a method, strictly, and write them under our keys, with a table of what matched."""
    from medmae.bundle.by_name import import_by_name

    report = import_by_name(
        weights,
        out,
        method=method,
        preset=preset,
        settings=settings or [],
        source=source,
        encoder_only=encoder_only,
        adapt=adapt or [],
        file_grid=file_grid,
        sha256=sha256,
    )
    typer.echo(report.table())
    typer.echo(f"weights: {out.resolve()}")


@app.command(
    epilog="Example: medmae export models/pretraining.safetensors unetr.safetensors --to unetr --drop-class-token"
)
def export(
    weights: Annotated[Path, typer.Argument(help="Ours: of a method, or of its encoder.")],
    out: Annotated[Path, typer.Argument(help="File to write, in the format of its suffix; a folder for Hugging Face.")],
    to: Annotated[str, typer.Option(help="Their layout: encoder, timm, monai, onnx, mae, ...; docs/weights.md.")],
    method: Annotated[str | None, typer.Option(help="Of weights that do not say it: as in `medmae list`.")] = None,
    preset: Annotated[str | None, typer.Option(help="Likewise: its sizes.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="Likewise: key=value; repeatable.")] = None,
    drop_class_token: Annotated[bool, typer.Option("--drop-class-token", help="For MONAI, which has none.")] = False,
    kind: Annotated[str | None, typer.Option(help="Of several kinds of data the one to write: audio, image.")] = None,
) -> None:
    """Write weights as another package has them; what it cannot hold is refused with the reason."""
    from medmae.bundle.by_name import network_of_weights
    from medmae.weights.exchange import export_file

    network = network_of_weights(weights, method=method, preset=preset, settings=settings or [])
    written = export_file(weights, out, method=network, to=to, drop_class_token=drop_class_token, kind=kind)
    typer.echo(f"weights: {written.path.resolve()}")
    typer.echo(f"sha256:  {written.sha256}")
    typer.echo(f"note:    {written.note}")
