"""ONNX gives what the network gives."""

import hashlib

import pytest
import torch

from medmae.nn.heads import FeatureMap
from medmae.weights.export.onnx import save_onnx


@pytest.mark.slow
def test_onnx_gives_the_features_of_batches_of_any_size(make, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the onnx extra is not installed")
    network = FeatureMap(encoder=make(image_size=(32, 48)))
    path = tmp_path / "model.onnx"
    digest = save_onnx(network, path, example=torch.rand(2, 1, 32, 48))
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    session = onnxruntime.InferenceSession(path.read_bytes())
    for size in (1, 5):
        data = torch.rand(size, 1, 32, 48)
        (found,) = session.run(None, {"data": data.numpy()})
        assert torch.allclose(torch.from_numpy(found), network(data), atol=1e-4)


def test_weights_that_pass_the_limit_of_one_file_are_refused(make, tmp_path, monkeypatch):
    monkeypatch.setattr("medmae.weights.export.onnx._LIMIT", 1000)
    with pytest.raises(ValueError, match="one ONNX file holds at most 1,000 bytes"):
        save_onnx(FeatureMap(encoder=make()), tmp_path / "model.onnx", example=torch.rand(2, 1, 32, 32))
    assert not list(tmp_path.iterdir())
