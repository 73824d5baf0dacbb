"""Clips with captions: which is drawn, what is cut, and that a caption stays with its clip."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import torch

from medmae.data import CaptionedClips, CaptionWords, Samples
from medmae.data.manifest import Manifest, write
from medmae.data.video.sampling import DenseFrames
from medmae.errors import DataError
from medmae.files import sha256_of
from medmae.tokens.text import SPECIAL, Vocabulary
from medmae.training import ResumableLoader

SAID = {0: ["left one", "left two"], 1: ["right"], 2: [], 3: ["up"]}
WORDS = Vocabulary((*SPECIAL, "left", "right", "up", "one", "two"))
LAST = {"left": 0, "right": 1, "up": 3}  # which clip a first word belongs to


@pytest.fixture
def prepared(tmp_path):
    """Four videos whose grey is their number."""
    rows = []
    for number, captions in SAID.items():
        path = tmp_path / "shards" / f"c{number}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, np.full((4, 8, 8, 1), number, np.uint8))
        rows.append(
            {
                "case": f"c{number}", "subject": f"p{number}", "split": "train", "kind": "video", "first": 0,
                "count": 4, "shard": f"shards/c{number}.npy", "shard_sha256": sha256_of(path), "dtype": "uint8",
                "size": [8, 8],
                "channels": 1, "fps": 1.0, "times": None, "label": None, "value": None, "captions": captions,
                "content_sha256": f"{number}" * 64, "flags": [],
            }
        )  # fmt: skip
    write(tmp_path / "manifest.jsonl", rows)
    return tmp_path


def view(**options):
    about = {"sampling": DenseFrames(frames=2, stride=1), "size": 8, "channels": 1, "dtype": "uint8"}
    return CaptionedClips(**{**about, "vocabulary": WORDS, "max_words": 6, **options})


def said(sample):
    return WORDS.decode(sample["words"][None])[0]


def test_a_clip_comes_with_a_caption_of_its_own_and_silent_ones_not_at_all(prepared):
    samples = Samples(source=prepared, view=view())
    assert [int(each["image"].max()) for each in samples] == [0, 1, 3]
    assert [said(each).split()[0] for each in samples] == ["left", "right", "up"]
    assert samples[0]["words"].shape == (6,)
    assert samples[0]["words"].dtype == torch.int64


def test_of_several_captions_each_epoch_draws_one_and_a_test_takes_the_first_or_all(prepared):
    samples = Samples(source=prepared, view=view())
    drawn = []
    for epoch in range(20):
        samples.set_epoch(epoch)
        drawn.append(said(samples[0]))
        assert samples.describe(0)["caption"] == drawn[-1]
    assert set(drawn) == set(SAID[0])
    test = view(test_views=[1, 1])
    assert said(Samples(source=prepared, view=test)[0]) == "left one"
    every = Samples(source=prepared, view=view(test_views=[1, 1], each_caption=True))
    assert [said(each) for each in every] == ["left one", "left two", "right", "up"]


def test_long_captions_and_unknown_words_are_told_with_their_count(prepared):
    with pytest.warns(UserWarning, match="of 4 captions 2 are longer than 3 words and lose their end; 0 words"):
        Samples(source=prepared, view=view(max_words=3))
    few = Vocabulary((*SPECIAL, "left", "right", "up", "one"))
    with pytest.warns(UserWarning, match="1 words are not in the vocabulary"):
        Samples(source=prepared, view=view(vocabulary=few))


def test_a_clip_that_cannot_be_read_takes_its_caption_with_it(prepared):
    (prepared / "shards" / "c1.npy").write_bytes(b"")
    loader = ResumableLoader(dataset=Samples(source=prepared, view=view()), batch_size=3, drop_last=False)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        (batch,) = list(loader)
    assert any("replaced by the next one" in str(each.message) for each in told)
    pairs = {
        (int(image.max()), text.split()[0])
        for image, text in zip(batch["image"], WORDS.decode(batch["words"]), strict=True)
    }
    assert pairs == {(0, "left"), (3, "up")}


def test_words_are_of_the_training_split_or_of_a_file_and_options_hold_their_hash(prepared):
    learnt = CaptionWords(source=prepared, size=60)
    assert set(SPECIAL) < set(learnt)
    assert learnt == CaptionWords(source=prepared, size=60)
    WORDS.write(prepared / "vocab.txt")
    assert CaptionWords(source=prepared, vocabulary=prepared / "vocab.txt") == WORDS.words
    options = json.dumps(view().options)
    assert WORDS.sha256 in options
    assert "[MASK]" not in options
    with pytest.raises(DataError, match="no video of this split has a caption"):
        CaptionWords(source=prepared, split="test")


def test_without_captions_or_words_it_is_told_what_to_do(prepared):
    with pytest.raises(DataError, match="no vocabulary"):
        view(vocabulary=None)
    rows = [{**row, "captions": []} for row in Manifest.read(prepared)]
    write(prepared / "manifest.jsonl", rows)
    with pytest.raises(DataError, match=r"no video of this data set has a caption.*a table with a column caption"):
        Samples(source=prepared, view=view())
