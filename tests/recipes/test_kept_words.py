"""Weights keep the words that they read, wherever in their network these lie."""

from __future__ import annotations

import pytest

from medmae.methods.answering import VideoQuestionAnswering
from medmae.methods.mae import mae_tiny
from medmae.methods.simvtp import simvtp_tiny
from medmae.methods.smaug import smaug_tiny
from medmae.methods.video_text_tasks import VideoTextRetrieval
from medmae.recipes import KeptWords
from medmae.tokens.text import SPECIAL
from medmae.weights.io import save_safetensors
from medmae.weights.unseen import header

WORDS = (*SPECIAL, "left", "right")


def kept(module, folder):
    save_safetensors(module.state_dict(), folder / "w.safetensors", metadata=header(module))
    return tuple(KeptWords(model_dir=folder, file="w.safetensors"))


@pytest.mark.parametrize("make", [simvtp_tiny, smaug_tiny])
def test_a_pre_training_keeps_its_words(make, tmp_path):
    assert kept(make(vocabulary=WORDS), tmp_path) == WORDS
    assert kept(make(), tmp_path) == ()


def test_so_does_a_task_that_was_built_of_its_encoder(tmp_path):
    method = smaug_tiny(vocabulary=WORDS)
    task = VideoTextRetrieval(encoder=method.encoder, pair_head=method.pair_head)
    assert task.vocabulary == method.vocabulary
    assert kept(task, tmp_path) == WORDS
    answers = VideoQuestionAnswering(encoder=method.encoder, by="words", answers=["left"])
    assert kept(answers, tmp_path) == kept(method.encoder, tmp_path) == WORDS


def test_where_there_are_no_words_or_no_file_there_are_none(tmp_path):
    assert kept(mae_tiny(), tmp_path) == ()
    assert tuple(KeptWords(model_dir=tmp_path / "none")) == ()
