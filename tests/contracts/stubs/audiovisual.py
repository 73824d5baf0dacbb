"""Sound and pictures: an encoder each, then fusion; each with a mask of its own, and both rebuilt."""

import torch
from torch import nn

from medmae.kinds import Kind
from medmae.masking import RandomMasking
from medmae.methods.base import MaskedMethod, StepOutput
from medmae.nn.decoder import MaskedDecoder
from medmae.objectives.pixel import masked_mse
from tests.contracts.parts import TokenEncoder, examples, pasted, vit

AUDIO, VIDEO = Kind.of("audio", ["frequency", "time"]), Kind.clip("video")


class Fusion(TokenEncoder):
    def __init__(self):
        super().__init__(AUDIO, VIDEO, depth=1)
        self.audio, self.video = vit(AUDIO, (8, 16), (4, 4)), vit(VIDEO, (4, 16, 16), (2, 8, 8))

    def tokens(self, batch, masks=None):
        parts = [
            one.forward_patches(one.patchify(batch[name]), masks[name].visible if masks else None)
            for name, one in (("audio", self.audio), ("video", self.video))
        ]
        return torch.cat(parts, dim=1), None  # (B, V_audio + V_video, D)


class AudioVisual(MaskedMethod):
    def __init__(self):
        super().__init__()
        self.encoder = Fusion()
        ones = {"audio": self.encoder.audio, "video": self.encoder.video}
        self.patches = {name: one.patches for name, one in ones.items()}
        sizes = {"dim": 16, "depth": 1, "num_heads": 2}
        self.decoders = nn.ModuleDict({name: MaskedDecoder(one, **sizes) for name, one in ones.items()})
        self.heads = nn.ModuleDict({name: nn.Linear(16, p.num_values) for name, p in self.patches.items()})
        counts = {name: patches.num_tokens for name, patches in self.patches.items()}
        self.maskings = {name: RandomMasking(num_tokens=count, ratio=0.7) for name, count in counts.items()}

    def predict(self, batch, masks):
        latent = self.encoder(self.encoder.tokens(batch, masks)[0])
        parts = latent.split([masks[name].num_visible for name in self.patches], dim=1)
        return {
            name: self.heads[name](self.decoders[name](part, masks[name]))
            for name, part in zip(self.patches, parts, strict=True)
        }

    def forward(self, batch, *, generator=None, masks=None, progress=1.0):
        masks = masks or self.draw_masks(batch, generator=generator)
        found = self.predict(batch, masks)
        true = {name: masks[name].hidden(patches.patchify(batch[name])) for name, patches in self.patches.items()}
        return StepOutput.of(terms={n: masked_mse(found[n], true[n]) for n in found}, prediction=found, masks=masks)

    @torch.no_grad()
    def show(self, batch, masks):
        found = self.predict(batch, masks)
        return {
            name: pasted(self.kinds[name], patches, masks[name], batch[name], found[name])
            for name, patches in self.patches.items()
        }

    def example_batch(self, batch_size=2, *, generator=None):
        shapes = {name: (patches.channels, *patches.size) for name, patches in self.patches.items()}
        return examples(shapes, batch_size, generator)


build = AudioVisual
