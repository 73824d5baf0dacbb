"""VideoMAE in the layouts of its authors and of Hugging Face: same outputs, and back bit for bit."""

from __future__ import annotations

import json

import pytest
import torch
from torch.testing import assert_close

from medmae.kinds import SCALES
from medmae.masking import Mask
from medmae.methods.mae import mae_tiny
from medmae.methods.videomae import videomae_tiny
from medmae.nn.heads import Classifier
from medmae.objectives.pixel import TargetNorm
from medmae.weights.exchange import export_file, import_file
from medmae.weights.export.videomae import save_videomae, save_videomae_classifier, videomae_classifier_state
from medmae.weights.io import import_state, load_state, load_weights, save_safetensors
from medmae.weights.maps.videomae import VIDEOMAE_CLASSIFIER, VIDEOMAE_HF

CLOSE = {"atol": 1e-5, "rtol": 1e-4}
HF = "the bench extra is not installed"


def shaken(module):
    for parameter in module.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    return module.eval()


def trained(**options):
    torch.manual_seed(1)
    return shaken(videomae_tiny(**{"scale": "imagenet", **options}))


def classifier(**options):
    torch.manual_seed(1)
    return shaken(Classifier(encoder=videomae_tiny(scale="imagenet", **options).encoder, num_classes=3))


def clips_for(method, batch):
    """Theirs: frames before channels, scaled."""
    return SCALES["imagenet"].apply(batch["image"]).transpose(1, 2)


def equal(one, two):
    return one.keys() == two.keys() and all(torch.equal(value, two[key]) for key, value in one.items())


@pytest.mark.parametrize("options", [{}, {"target_norm": None}, {"num_frames": 6, "tubelet_size": 3}], ids=str)
def test_transformers_gives_our_loss_and_predictions(options, tmp_path):
    transformers = pytest.importorskip("transformers", reason=HF)
    method = trained(**options)
    save_videomae(method, tmp_path)
    theirs, info = transformers.VideoMAEForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    theirs.decoder.norm.eps = 1e-6  # 1e-5 there, whatever the configuration says
    batch = method.example_batch(2)
    mask = Mask.from_bool(method.draw_masks(batch)["image"].as_bool())
    expected = theirs.eval()(clips_for(method, batch), bool_masked_pos=mask.as_bool())
    output = method(batch, masks={"image": mask})
    assert_close(output.prediction["image"], expected.logits, **CLOSE)
    assert_close(output.loss, expected.loss, **CLOSE)


def test_transformers_classifies_as_we_do(tmp_path):
    transformers = pytest.importorskip("transformers", reason=HF)
    network = classifier()
    save_videomae_classifier(network, tmp_path, classes=["normal", "covid", "pneumonia"])
    theirs, info = transformers.VideoMAEForVideoClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    theirs.fc_norm.eps = 1e-6
    assert theirs.config.id2label[2] == "pneumonia"
    batch = {"image": torch.rand(2, 3, 4, 32, 32)}
    assert_close(network(batch["image"]), theirs.eval()(clips_for(network, batch)).logits, **CLOSE)


def test_a_classifier_of_hugging_face_is_read_again_bit_for_bit(tmp_path):
    network = classifier()
    save_videomae_classifier(network, tmp_path, classes=["normal", "covid", "pneumonia"])
    twin = Classifier(encoder=videomae_tiny(scale="imagenet").encoder, num_classes=3)
    assert load_weights(twin, tmp_path / "model.safetensors", key_map=VIDEOMAE_HF).fits
    assert equal(twin.state_dict(), network.state_dict())


@pytest.mark.parametrize("name", ["VideoMAEForPreTraining", "VideoMAEModel"])
def test_what_transformers_saves_is_read(name, tmp_path):
    transformers = pytest.importorskip("transformers", reason=HF)
    method = trained()
    save_videomae(method, tmp_path / "ours")
    network = getattr(transformers, name).from_pretrained(tmp_path / "ours")
    network.save_pretrained(tmp_path / "theirs")
    twin, whole = videomae_tiny(), name == "VideoMAEForPreTraining"
    target = twin if whole else twin.encoder
    state = load_state(tmp_path / "theirs" / "model.safetensors")
    renamed, _ = VIDEOMAE_HF.apply(state)
    if not whole:
        renamed = {key.removeprefix("encoder."): value for key, value in renamed.items()}
    assert import_state(target, renamed).fits
    wanted = (method if whole else method.encoder).state_dict()
    assert equal(target.state_dict(), wanted)


def test_files_of_older_releases_call_biases_otherwise():
    written = VIDEOMAE_HF.write(trained().state_dict())
    older = {key.replace("query.bias", "q_bias").replace("value.bias", "v_bias"): v for key, v in written.items()}
    assert older.keys() != written.keys()
    assert import_state(videomae_tiny(), older, key_map=VIDEOMAE_HF).fits


def test_a_file_without_the_encoder_s_last_norm_is_refused():
    """A network that Hugging Face's default, use_mean_pooling, has built for pre-training."""
    written = VIDEOMAE_HF.write(trained().state_dict())
    lacking = {key: value for key, value in written.items() if not key.startswith("videomae.layernorm.")}
    with pytest.raises(ValueError, match=r"missing +2  encoder\.norm\.bias, encoder\.norm\.weight"):
        import_state(videomae_tiny(), lacking, key_map=VIDEOMAE_HF)


@pytest.mark.parametrize(("to", "file"), [("videomae", "out"), ("videomae_hf", "out/model.safetensors")])
def test_a_whole_method_goes_out_and_comes_back_bit_for_bit(to, file, tmp_path):
    method, start = trained(), tmp_path / "start.safetensors"
    save_safetensors(method.state_dict(), start)
    out = tmp_path / ("out.safetensors" if to == "videomae" else "out")
    export_file(start, out, method=videomae_tiny(), to=to)
    path = out if to == "videomae" else out / "model.safetensors"
    back = tmp_path / "back.safetensors"
    import_file(path, back, method=videomae_tiny(scale="imagenet"), source=to)
    assert equal(load_state(back), method.state_dict())


@pytest.mark.parametrize("wrapper", ["model", "module"])
def test_published_files_are_unwrapped(wrapper, tmp_path):
    network = classifier()
    torch.save({wrapper: videomae_classifier_state(network), "epoch": 3}, tmp_path / "checkpoint.pth")
    twin = Classifier(encoder=videomae_tiny(scale="imagenet").encoder, num_classes=3)
    load_weights(twin, tmp_path / "checkpoint.pth", key_map=VIDEOMAE_CLASSIFIER)
    assert equal(twin.state_dict(), network.state_dict())


def test_sizes_and_scale_stand_in_the_folder(tmp_path):
    save_videomae(trained(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["num_frames"], config["tubelet_size"], config["image_size"], config["patch_size"]) == (4, 2, 32, 8)
    assert (config["use_mean_pooling"], config["layer_norm_eps"], config["qv_bias"]) == (False, 1e-6, True)
    processor = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert processor["image_mean"] == [0.485, 0.456, 0.406]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"image_size": (32, 48)}, r"its frames are \[32, 48\], and theirs square"),
        ({"patch_size": (8, 16)}, r"its cubes are \[8, 16\], and theirs square"),
        ({"target_norm": TargetNorm()}, "its target is normalised in another way"),
    ],
    ids=str,
)
def test_what_hugging_face_cannot_hold_is_refused_with_the_reason(options, told, tmp_path):
    with pytest.raises(ValueError, match=told):
        save_videomae(trained(**options), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("to", ["videomae", "videomae_hf"])
def test_an_mae_does_not_go_out_as_a_videomae_nor_the_other_way_round(to, tmp_path):
    for number, (method, target) in enumerate([(mae_tiny(), to), (trained(), "mae"), (trained(), "vit_mae")]):
        path = tmp_path / f"{number}.safetensors"
        save_safetensors(method.state_dict(), path)
        with pytest.raises(ValueError, match="cannot hold this encoder as it is"):
            export_file(
                path, tmp_path / ("out.pth" if target in ("mae", "videomae") else "out"), method=method, to=target
            )
    assert not list(tmp_path.glob("out*"))


def test_classes_need_their_names(tmp_path):
    with pytest.raises(ValueError, match="3 classes need as many names, got 2"):
        save_videomae_classifier(classifier(), tmp_path, classes=["normal", "covid"])
