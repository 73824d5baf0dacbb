"""Files go from layout to layout and back, bit for bit; the command line is thin over it."""

from __future__ import annotations

import hashlib

import pytest
import timm
import torch
from safetensors import safe_open

from medmae import cli
from medmae.errors import DataError, ExitCode
from medmae.methods.av_mae import av_mae_tiny
from medmae.methods.classification import Classification
from medmae.methods.edge_mae import edge_mae_tiny
from medmae.methods.mae import mae_tiny
from medmae.methods.mavil import mavil_tiny
from medmae.nn.heads import Classifier
from medmae.nn.vit import MaskedViT
from medmae.weights.exchange import export_file, import_file
from medmae.weights.export.monai import to_monai
from medmae.weights.export.timm import to_timm
from medmae.weights.io import load_state, load_weights, save_safetensors
from medmae.weights.pretrained import load_encoder
from medmae.weights.trained import encoder_of
from medmae.weights.unseen import header

TINY = ("--method", "mae", "--preset", "tiny")
SIZES = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 4}


@pytest.fixture
def trained(tmp_path):
    """A file of a whole method, and the method."""
    torch.manual_seed(1)
    method = mae_tiny()
    for parameter in method.parameters():
        if parameter.requires_grad:
            parameter.data.add_(0.05 * torch.randn_like(parameter))
    save_safetensors(method.state_dict(), tmp_path / "pretraining.safetensors")
    return tmp_path / "pretraining.safetensors", method


def run(*arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


def equal(one, two):
    return one.keys() == two.keys() and all(torch.equal(value, two[key]) for key, value in one.items())


# ------------------------------------------------------------------------------------------------------------ both ways
@pytest.mark.parametrize(("to", "name"), [("mae", "mae.safetensors"), ("vit_mae", "folder/model.safetensors")])
def test_a_whole_method_goes_out_and_comes_back_bit_for_bit(to, name, trained, tmp_path):
    path, method = trained
    written = export_file(path, tmp_path / name.split("/")[0], method=mae_tiny(), to=to)
    assert written.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    report = import_file(tmp_path / name, tmp_path / "back.safetensors", method=mae_tiny(), source=to)
    assert report.fits
    assert equal(load_state(tmp_path / "back.safetensors"), method.state_dict())


def test_an_encoder_goes_out_to_timm_and_comes_back_bit_for_bit(trained, tmp_path):
    path, method = trained
    export_file(path, tmp_path / "timm.safetensors", method=mae_tiny(), to="timm")
    network = timm.models.VisionTransformer(num_classes=0, **SIZES)
    network.load_state_dict(load_state(tmp_path / "timm.safetensors"), strict=True)
    out = tmp_path / "back.safetensors"
    import_file(tmp_path / "timm.safetensors", out, method=mae_tiny(), source="timm", encoder_only=True)
    wanted = {f"encoder.{key}": value for key, value in method.encoder.state_dict().items()}
    assert equal(load_state(out), wanted)


def test_a_file_that_cannot_hold_the_scale_is_written_with_a_note_of_it(tmp_path):
    method = mae_tiny(scale="half")
    save_safetensors(method.state_dict(), tmp_path / "ours.safetensors", metadata=header(method))
    notes = {
        to: export_file(tmp_path / "ours.safetensors", tmp_path / f"{to}.safetensors", method=mae_tiny(), to=to).note
        for to in ("timm", "mae", "encoder")
    }
    assert {to: "(data - mean) / std, mean (0.5,)" in note for to, note in notes.items()} == {
        "timm": True,
        "mae": True,
        "encoder": False,
    }


@pytest.mark.parametrize("dropped", [True, False])
def test_a_file_for_monai_fills_its_network_strictly(dropped, trained, tmp_path):
    pytest.importorskip("einops", reason="MONAI's ViT needs it")
    path, method = trained
    written = export_file(path, tmp_path / "m.safetensors", method=mae_tiny(), to="monai", drop_class_token=dropped)
    classes = None if dropped else 2
    network = to_monai(method.encoder, num_classes=classes, drop_class_token=dropped)
    wanted = {key: value for key, value in network.state_dict().items() if "head" not in key}
    assert equal(load_state(tmp_path / "m.safetensors"), wanted)
    assert f"ViT(classification={not dropped}) with qkv_bias=True" in written.note
    assert "set that of every LayerNorm to 1e-06" in written.note


def test_a_file_for_a_unetr_holds_no_class_token(trained, tmp_path):
    path, _ = trained
    with pytest.raises(ValueError, match=r"(?s)a UNETR cannot hold this encoder.*drop_class_token"):
        export_file(path, tmp_path / "unetr.safetensors", method=mae_tiny(), to="unetr")
    assert not (tmp_path / "unetr.safetensors").exists()
    export_file(path, tmp_path / "unetr.safetensors", method=mae_tiny(), to="unetr", drop_class_token=True)
    state = load_state(tmp_path / "unetr.safetensors")
    assert all(key.startswith("vit.") for key in state)
    assert "vit.cls_token" not in state


def test_an_encoder_alone_is_enough_for_what_holds_no_decoder(trained, tmp_path):
    path, method = trained
    export_file(path, tmp_path / "encoder.safetensors", method=mae_tiny(), to="encoder")
    assert equal(load_state(tmp_path / "encoder.safetensors"), method.encoder.state_dict())
    export_file(tmp_path / "encoder.safetensors", tmp_path / "timm.safetensors", method=mae_tiny(), to="timm")
    assert equal(load_state(tmp_path / "timm.safetensors"), to_timm(method.encoder).state_dict())
    with pytest.raises(DataError, match="do not fit MAE"):
        export_file(tmp_path / "encoder.safetensors", tmp_path / "mae.safetensors", method=mae_tiny(), to="mae")


def test_onnx_gets_the_encoder_and_an_example_of_its_size(trained, tmp_path, monkeypatch):
    seen = {}

    def remember(network, path, *, example):
        seen.update(network=network, path=path, example=example)
        return "0" * 64

    monkeypatch.setattr("medmae.weights.export.onnx.save_onnx", remember)
    path, method = trained
    export_file(path, tmp_path / "model.onnx", method=mae_tiny(), to="onnx")
    assert seen["path"] == tmp_path / "model.onnx"
    assert seen["network"](seen["example"]).shape == (2, 48, 4, 4)
    assert equal(seen["network"].encoder.state_dict(), method.encoder.state_dict())


@pytest.mark.parametrize("method", [edge_mae_tiny(), mae_tiny(decoder="cross")], ids=["edge_mae", "another decoder"])
@pytest.mark.parametrize("to", ["mae", "vit_mae"])
def test_what_is_no_mae_does_not_go_out_as_one(method, to, tmp_path):
    save_safetensors(method.state_dict(), tmp_path / "whole.safetensors")
    out = tmp_path / ("out.pth" if to == "mae" else "out")
    with pytest.raises(ValueError, match=f"{to} holds the encoder, decoder and head of an MAE, and .* export its enco"):
        export_file(tmp_path / "whole.safetensors", out, method=method, to=to)
    assert not out.exists()
    export_file(tmp_path / "whole.safetensors", tmp_path / "timm.safetensors", method=method, to="timm")


def test_a_class_token_is_dropped_only_where_there_is_no_place_for_it(trained, tmp_path):
    with pytest.raises(ValueError, match="dropping the class token is for monai and unetr; timm holds it"):
        export_file(trained[0], tmp_path / "x", method=mae_tiny(), to="timm", drop_class_token=True)


def test_an_unknown_target_is_refused(trained, tmp_path):
    with pytest.raises(ValueError, match=r"to must be 'encoder' or .* got 'tensorflow'"):
        export_file(trained[0], tmp_path / "x", method=mae_tiny(), to="tensorflow")


def test_a_file_that_does_not_fit_is_refused_and_nothing_is_written(tmp_path):
    save_safetensors(timm.models.VisionTransformer(**SIZES).state_dict(), tmp_path / "timm.safetensors")
    with pytest.raises(
        DataError, match=r"(?s)missing +32  decoder\..*dead +2  head\.bias.*--encoder-only\) takes it alone"
    ):
        import_file(tmp_path / "timm.safetensors", tmp_path / "out.safetensors", method=mae_tiny(), source="timm")
    assert not (tmp_path / "out.safetensors").exists()


def test_an_encoder_that_lacks_a_key_is_not_said_to_be_whole(tmp_path):
    state = timm.models.VisionTransformer(**SIZES).state_dict()
    del state["norm.bias"]
    save_safetensors(state, tmp_path / "timm.safetensors")
    with pytest.raises(DataError, match="do not fit") as caught:
        import_file(tmp_path / "timm.safetensors", tmp_path / "out.safetensors", method=mae_tiny(), source="timm")
    assert "alone" not in str(caught.value)


# ----------------------------------------------------------------------------------------------------- command line
def test_import_shows_what_matched_and_export_says_what_to_know(tmp_path, capsys):
    network = timm.models.VisionTransformer(num_classes=7, **SIZES)
    save_safetensors(network.state_dict(), tmp_path / "timm.safetensors")
    ours = ("--set", "image_size=24,48", "--set", "in_channels=1")
    rules = ("--adapt", "positions", "--adapt", "channels")
    start = tmp_path / "start.safetensors"
    source = ("--source", "timm", "--encoder-only")
    assert run("import", tmp_path / "timm.safetensors", start, *source, *TINY, *ours, *rules) == ExitCode.OK
    shown = capsys.readouterr().out
    assert "adapted     2  encoder.patch_embed.proj.weight, encoder.pos_embed" in shown
    assert "dead     2  head.bias, head.weight" in shown
    with safe_open(start, "pt") as file:
        about = file.metadata()
    assert (about["method"], about["preset"], about["source"]) == ("mae", "tiny", "timm")
    assert about["settings"] == "image_size=24,48 in_channels=1"

    out = tmp_path / "unetr.safetensors"
    assert run("export", start, out, "--to", "unetr", "--drop-class-token", *TINY, *ours) == ExitCode.OK
    shown = capsys.readouterr().out
    assert hashlib.sha256(out.read_bytes()).hexdigest() in shown
    assert "qkv_bias=True" in shown
    table = load_state(out)["vit.patch_embedding.position_embeddings"]
    assert table.shape == (1, 18, 48)


def test_the_grid_of_a_file_can_be_named(trained, tmp_path, capsys):
    strip = mae_tiny(image_size=(24, 48))
    save_safetensors(strip.state_dict(), tmp_path / "strip.safetensors")
    arguments = ("import", tmp_path / "strip.safetensors", tmp_path / "out.safetensors", *TINY, "--adapt", "positions")
    assert run(*arguments) == ExitCode.REFUSED
    assert run(*arguments, "--file-grid", "3x6") == ExitCode.REFUSED
    assert "whole numbers with commas between them, such as 10,16; got '3x6'" in capsys.readouterr().err
    assert run(*arguments, "--file-grid", "3,6") == ExitCode.OK
    load_weights(mae_tiny(), tmp_path / "out.safetensors")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--set", "image_sise=32"), "mae has no argument 'image_sise'; did you mean image_size"),
        (("--set", "image_size"), "--image_size has no value"),
        (("--preset", "tiniest"), "no preset 'tiniest'"),
        (("--method", "maee"), "no method 'maee'"),
        (("--source", "tim"), "no layout 'tim' is known"),
        (("--adapt", "position"), "adapt must be 'positions'"),
        (("--sha256", "0" * 64), "wrong sha256"),
    ],
)
def test_a_misspelt_name_is_refused_in_one_line_with_what_there_is(arguments, told, trained, tmp_path, capsys):
    assert run("import", trained[0], tmp_path / "out.safetensors", *TINY, *arguments) == ExitCode.REFUSED
    captured = capsys.readouterr()
    assert told in captured.err
    assert "Traceback" not in captured.err
    assert not (tmp_path / "out.safetensors").exists()


def test_what_import_wrote_of_an_encoder_fills_other_encoders(trained, tmp_path):
    path, method = trained
    import_file(path, tmp_path / "encoder.safetensors", method=mae_tiny(), source=None, encoder_only=True)
    encoder = MaskedViT(image_size=32, patch_size=8, embed_dim=48, depth=3, num_heads=4)
    load_encoder(encoder, tmp_path / "encoder.safetensors")
    assert equal(encoder.state_dict(), method.encoder.state_dict())


def test_the_encoder_of_a_classifier_goes_out_as_any_other(tmp_path):
    torch.manual_seed(0)
    encoder = mae_tiny().encoder
    method = Classification(network=Classifier(encoder=encoder, num_classes=2))
    save_safetensors(method.state_dict(), tmp_path / "classifier.safetensors", metadata=header(method))
    other = Classification(network=Classifier(encoder=mae_tiny().encoder, num_classes=2))
    export_file(tmp_path / "classifier.safetensors", tmp_path / "encoder.safetensors", method=other, to="encoder")
    assert equal(load_state(tmp_path / "encoder.safetensors"), encoder.state_dict())


def of_several(tmp_path, make):
    torch.manual_seed(4)
    method, path = make(), tmp_path / "of_several.safetensors"
    save_safetensors(method.state_dict(), path, metadata=header(method))
    return method, path


def test_an_encoder_of_several_kinds_is_written_and_read_whole(tmp_path):
    method, path = of_several(tmp_path, av_mae_tiny)
    export_file(path, tmp_path / "encoder.safetensors", method=av_mae_tiny(), to="encoder")
    for file in (path, tmp_path / "encoder.safetensors"):
        found = encoder_of(file)
        assert list(found.kinds) == ["image", "audio"]
        for key, value in method.encoder.state_dict().items():
            assert torch.equal(found.state_dict()[key], value)


def test_one_of_several_kinds_is_written_as_a_vit_of_its_own(trained, tmp_path):
    method, path = of_several(tmp_path, mavil_tiny)
    written = export_file(path, tmp_path / "audio.safetensors", method=mavil_tiny(), to="encoder", kind="audio")
    found, data = encoder_of(written.path), method.example_batch(2)["audio"]
    torch.testing.assert_close(found.features(data), method.encoder.features({"audio": data}), atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="this encoder takes audio, image: say which, kind"):
        export_file(path, tmp_path / "timm.safetensors", method=mavil_tiny(), to="timm")
    with pytest.raises(ValueError, match="kind='image' is of encoders of several kinds"):
        export_file(trained[0], tmp_path / "one.safetensors", method=mae_tiny(), to="timm", kind="image")
