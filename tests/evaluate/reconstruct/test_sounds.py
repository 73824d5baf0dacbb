"""Sounds to listen to, beside the pictures of spectrograms."""

import json
import wave

import torch

from medmae.evaluate.reconstruct.sounds import write_sounds
from medmae.evaluate.reconstruct.sounds_section import sounds
from medmae.methods.audio_mae import audio_mae_tiny
from medmae.methods.av_mae import av_mae_tiny
from medmae.report.folder import RunFolder
from medmae.tokens.spectrogram import LogMel

FRONT = LogMel(rate=4000, bins=32, low=25.0, high=1000.0, frame_s=0.064, centred=True, floor=2.0**-23)


class Heard:
    """Three sounds of three subjects."""

    def __init__(self, method, **others):
        self.batch = method.example_batch(3, generator=torch.Generator().manual_seed(0)) | others

    def __len__(self):
        return 3

    def __getitem__(self, number):
        return {name: value[number] for name, value in self.batch.items()}

    def describe(self, number):
        return {"case": f"<b>{number}", "subject": f"p{number}", "label": "murmur"}


def test_what_was_given_and_what_was_rebuilt_can_be_heard(tmp_path):
    method = audio_mae_tiny()
    write_sounds(method=method, dataset=Heard(method), front=FRONT, out=tmp_path / "evaluation", count=2)
    rows = json.loads((tmp_path / "evaluation" / "sounds" / "sounds.json").read_text())
    assert [row["case"] for row in rows] == ["<b>0", "<b>1"]
    read = {}
    for name in ("given", "rebuilt"):
        with wave.open(str(tmp_path / "evaluation" / "sounds" / rows[0][name])) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (4000, 1, 2)
            assert file.getnframes() == FRONT.frame + 63 * FRONT.hop
            read[name] = file.readframes(file.getnframes())
    assert read["given"] != read["rebuilt"]
    (tmp_path / "run.json").write_text("{}")
    page = str(sounds(RunFolder.read(tmp_path)).blocks[0])
    assert page.count("data:audio/wav;base64,") == 4
    assert "&lt;b&gt;0" in page
    assert "<b>0" not in page


def test_of_clips_with_sound_only_the_sounds_are_heard_and_only_where_there_is_one(tmp_path):
    method = av_mae_tiny()
    dataset = Heard(method, audio_there=torch.tensor([True, False, True]))
    dataset.batch["audio"][1] = torch.nan
    write_sounds(method=method, dataset=dataset, front=FRONT, out=tmp_path, count=3)
    rows = json.loads((tmp_path / "sounds" / "sounds.json").read_text())
    assert [row["case"] for row in rows] == ["<b>0", "<b>2"]


def test_spectrograms_of_another_front_end_are_not_played(tmp_path):
    method = audio_mae_tiny()
    write_sounds(
        method=method, dataset=Heard(method), front=LogMel(rate=4000, bins=16, low=25.0, floor=1e-7), out=tmp_path
    )
    assert not (tmp_path / "sounds").exists()
