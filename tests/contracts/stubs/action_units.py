"""Masked and supervised at once: muscles of a face from a part of it, as told, and as a teacher sees the whole."""

import torch
from torch import nn
from torch.nn import functional as F

from medmae.kinds import Kind
from medmae.masking import RandomMasking
from medmae.methods.base import MaskedMethod, StepOutput, entry
from medmae.methods.shown import Shown
from medmae.nn.seeding import drawn_by
from medmae.nn.teacher import FrozenTeacher
from tests.contracts.parts import vit

FACE, UNITS = Kind.image("face"), 5


class ActionUnits(MaskedMethod):
    needs = frozenset({"target", "teacher"})

    def __init__(self, teacher):
        super().__init__()
        self.encoder, self.head = vit(FACE, (16, 16), (4, 4)), nn.Linear(24, UNITS)
        self.teacher = FrozenTeacher(teacher)
        self.maskings = {"face": RandomMasking(num_tokens=self.encoder.num_tokens, ratio=0.5)}

    rebuilds = frozenset()  # the mask is an augmentation

    @property
    def teachers(self):
        return {"teacher": self.teacher}

    def forward(self, batch, *, generator=None, masks=None, progress=1.0):
        masks = masks or self.draw_masks(batch, generator=generator)
        rows = self.encoder.patchify(entry(batch, "face"))
        features = self.encoder.forward_patches(rows, masks["face"].visible).mean(dim=1)  # (B, D)
        found, taught = self.head(features), self.teacher(batch["face"]).mean(dim=1)
        terms = {
            "units": F.binary_cross_entropy_with_logits(found, entry(batch, "target")),  # several of them at once
            "teacher": F.mse_loss(features, taught),
        }
        return StepOutput.of(terms=terms, prediction={"units": found}, masks=masks)

    def show(self, batch, masks):
        hidden = self.encoder.patches.paint(masks["face"].as_bool())
        return {"face": Shown(FACE, batch["face"], hidden)}  # nothing is made of it

    def example_batch(self, batch_size=2, *, generator=None):
        face = torch.rand(batch_size, 3, 16, 16, generator=generator)
        return {"face": face, "target": torch.randint(2, (batch_size, UNITS), generator=generator).float()}


def build():
    with drawn_by(11):  # as from one file, whatever the student begins with
        teacher = vit(FACE, (16, 16), (4, 4))
    return ActionUnits(teacher)
