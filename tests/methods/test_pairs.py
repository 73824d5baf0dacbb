"""Contrast and matching of pairs over the batches of two processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from medmae.objectives.contrastive import info_nce
from medmae.objectives.matching import hard_other, hard_weights, matching_loss
from tests.conftest import ROOT
from tests.methods.paired_processes import EACH, encoded, gradients, halves, network


def whole(method):
    """Pairs of both halves as one batch, and the points of their clips and sentences."""
    first, second = halves()
    padded = F.pad(first["words"], (0, second["words"].shape[1] - first["words"].shape[1]))
    batch = {"image": torch.cat([first["image"], second["image"]]), "words": torch.cat([padded, second["words"]])}
    pairs = encoded(method, batch)
    head = method.pair_head
    return pairs, head.of_frames(pairs.frames[:, :, 0]), head.of_words(pairs.states[:, 0])


def matching_of(rank, method, pairs, clips, sentences):
    """What the pairs of one process cost, negatives taken from all."""
    own = torch.arange(EACH) + rank * EACH
    same = pairs.ids[own] == pairs.ids.T
    found = []
    for mine, others in ((sentences, clips), (clips, sentences)):
        weights = hard_weights(method.pair_head.likeness(mine, others).detach()[own], same)
        found.append(hard_other(weights, first=rank * EACH))
    (clip, some_clip), (sentence, some_sentence) = found
    words, seen = torch.cat([own, own, sentence]), torch.cat([own, clip, own])
    joint = method.encoder.joint(pairs.states[words], pairs.frames[seen], pairs.real[words])
    logits = method.pair_head.matcher(joint[:, 0])
    loss = matching_loss(logits[:EACH], logits[EACH:], counted=torch.cat([some_clip, some_sentence]))
    return loss, torch.cat([clip, sentence])


@pytest.mark.slow
def test_two_processes_find_their_negatives_among_all_and_learn_what_one_learns_from_both(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    commands = [[sys.executable, "-m", "tests.methods.paired_processes", str(rank), str(tmp_path)] for rank in range(2)]
    running = [subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE) for command in commands]
    errors = [process.communicate(timeout=600)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], errors
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]

    method = network()
    pairs, clips, sentences = whole(method)
    contrast = info_nce(
        clips, sentences, temperature=method.pair_head.warmth(), symmetric=True, ids=pairs.ids, normalised=True
    )
    matching, negatives = zip(*(matching_of(rank, method, pairs, clips, sentences) for rank in range(2)), strict=True)
    assert (negatives[0] >= EACH).any()  # of the other process
    assert (negatives[1] < EACH).any()
    for rank in range(2):
        assert_close(parts[rank]["terms"]["matching"], matching[rank], rtol=1e-5, atol=1e-6)
    assert_close(sum(part["terms"]["contrast"] for part in parts) / 2, contrast, rtol=1e-5, atol=1e-6)

    (contrast + sum(matching) / 2).backward()
    alone = gradients(method)
    assert parts[0]["grad"].keys() == alone.keys()
    for name, gradient in alone.items():  # the mean of both, as DistributedDataParallel takes it
        both = (parts[0]["grad"][name] + parts[1]["grad"][name]) / 2
        assert_close(both, gradient, rtol=1e-3, atol=1e-5 * max(gradient.abs().max().item(), 1e-2), msg=name)
