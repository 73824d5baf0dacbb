import pytest

from medmae.errors import DataError
from medmae.methods.classification import Classification
from medmae.nn.heads import Classifier
from medmae.nn.vit import MaskedViT
from medmae.recipes.classifier_file import load_classifier
from medmae.recipes.synthesis_task import paired_subjects, require_task
from medmae.recipes.task_file import read_record, write_record

PAIR = {"source": "T1", "target": "T2", "contrasts": None}


def as_classes(folder):
    encoder = MaskedViT(image_size=8, patch_size=4, in_channels=3, embed_dim=8, depth=1, num_heads=2)
    method = Classification(network=Classifier(encoder=encoder, num_classes=2))
    load_classifier(method, folder, classes=["0", "1"])


def as_pair(folder):
    require_task(folder, **PAIR)


@pytest.fixture(autouse=True)
def without_weights(monkeypatch):
    monkeypatch.setattr("medmae.recipes.classifier_file.load_weights", lambda method, path: None)


def test_what_is_written_is_read_again(tmp_path):
    assert read_record(tmp_path) is None
    write_record(tmp_path, {"classes": ["0", "1"]})
    assert read_record(tmp_path, fields=("classes",)) == {"classes": ["0", "1"]}
    as_classes(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "\x80"])
@pytest.mark.parametrize("load", [as_classes, as_pair])
def test_a_damaged_record_is_refused_by_name(tmp_path, text, load):
    (tmp_path / "task.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"task\.json: .*-> put back the one that training wrote"):
        load(tmp_path)


def test_the_record_of_a_synthesis_tells_no_classes(tmp_path):
    write_record(tmp_path, {"source": "T1", "target": "T2"})
    with pytest.raises(DataError, match="lacks classes; it has source, target"):
        as_classes(tmp_path)


def test_the_record_of_a_classifier_is_of_another_task_than_a_synthesis(tmp_path):
    write_record(tmp_path, {"classes": ["0", "1"]})
    with pytest.raises(DataError, match="trained for another task"):
        as_pair(tmp_path)


@pytest.mark.parametrize("paired", [{"subjects": ["a"]}, ["a"], 3, {"manifest_sha256": "0", "subjects": None}])
def test_pairs_that_tell_too_little_are_refused(tmp_path, paired):
    write_record(tmp_path, {"source": "T1", "target": "T2", "paired": paired})
    with pytest.raises(DataError, match="does not tell of whose pairs"):
        paired_subjects(tmp_path, manifest=tmp_path)
