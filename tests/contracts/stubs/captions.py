"""Words of different numbers, some replaced by a mask token, beside a clip of which hidden cubes are dropped."""

import torch
from torch import nn
from torch.nn import functional as F

from medmae.kinds import Kind
from medmae.masking import Mask, RandomMasking
from medmae.methods.base import MaskedMethod, StepOutput, count_samples
from medmae.methods.shown import Shown
from medmae.objectives.pixel import masked_mse
from tests.contracts.parts import TokenEncoder, pasted, vit

WORDS, VIDEO = Kind.of("words", ["word"], channels=["number"], peak=None), Kind.clip("video")
VOCABULARY, LONGEST, PADDING = 30, 7, 0


class WordMasking:
    """Hides about 30 % of the words of each sample, and one at least."""

    def sample(self, batch_size, *, generator=None, noise=None, real=None):
        noise = torch.rand(batch_size, LONGEST, generator=generator) if noise is None else noise
        noise = noise.masked_fill(~real, 2.0)
        return Mask.from_bool((noise < 0.3) | (noise == noise.amin(dim=1, keepdim=True)), real=real, replaced=True)


class Joint(TokenEncoder):
    def __init__(self):
        super().__init__(WORDS, VIDEO)
        self.video, self.word = vit(VIDEO, (4, 16, 16), (2, 8, 8)), nn.Embedding(VOCABULARY + 1, 24)  # last: [MASK]
        self.place = nn.Embedding(LONGEST, 24)

    def tokens(self, batch, masks=None):
        words, keys = batch["words"], batch["words"] != PADDING
        if masks:
            words, keys = words.where(~masks["words"].decoded(), VOCABULARY), masks["words"].key_mask()
        cubes = self.video.forward_patches(
            self.video.patchify(batch["video"]), masks["video"].visible if masks else None
        )
        tokens = torch.cat([cubes, self.word(words) + self.place.weight], dim=1)
        return tokens, None if keys is None else F.pad(keys, (cubes.shape[1], 0), value=True)


class Captions(MaskedMethod):
    def __init__(self):
        super().__init__()
        self.encoder, self.words = Joint(), nn.Linear(24, VOCABULARY)
        self.cubes = nn.Linear(24, self.encoder.video.patches.num_values)
        self.asked = nn.Parameter(torch.randn(1, self.encoder.video.num_tokens, 24))
        cubes = RandomMasking(num_tokens=self.encoder.video.num_tokens, ratio=0.75)
        self.maskings = {"words": WordMasking(), "video": cubes}

    def draw_masks(self, batch, *, generator=None):
        real = {"words": batch["words"] != PADDING, "video": None}
        draw = {"generator": generator}
        return {n: how.sample(count_samples(batch), real=real[n], **draw) for n, how in self.maskings.items()}

    def forward(self, batch, *, generator=None, masks=None, progress=1.0):
        masks = masks or self.draw_masks(batch, generator=generator)
        latent, video, words = self.encoder(*self.encoder.tokens(batch, masks)), masks["video"], masks["words"]
        cubes = self.cubes(latent[:, : video.num_visible].mean(dim=1, keepdim=True) + video.hidden(self.asked))
        found = self.words(words.hidden(latent[:, video.num_visible :]))  # (B, M, vocabulary)
        asked = batch["words"].gather(1, words.masked)  # (B, M)
        error = F.cross_entropy(found.transpose(1, 2), asked, reduction="none")
        weight = torch.ones_like(error) if words.weight is None else words.weight
        true = video.hidden(self.encoder.video.patches.patchify(batch["video"]))
        terms = {"words": (error * weight).sum() / weight.sum(), "video": masked_mse(cubes, true)}
        return StepOutput.of(terms=terms, prediction={"words": found, "video": cubes}, masks=masks)

    @torch.no_grad()
    def show(self, batch, masks):
        found, words, patches = self(batch, masks=masks).prediction, masks["words"], self.encoder.video.patches
        said = words.restore(torch.zeros(*words.visible.shape, 1), found["words"].argmax(dim=2, keepdim=True))
        hidden = words.decoded()
        said = torch.where(hidden, said[..., 0].long(), batch["words"])
        return {
            "words": Shown(WORDS, *(table.unsqueeze(1) for table in (batch["words"], hidden, said))),
            "video": pasted(VIDEO, patches, masks["video"], batch["video"], found["video"]),
        }

    def example_batch(self, batch_size=2, *, generator=None):
        words = torch.randint(1, VOCABULARY, (batch_size, LONGEST), generator=generator)
        length = LONGEST - torch.arange(batch_size) % 4
        words = words.where(torch.arange(LONGEST) < length.unsqueeze(1), PADDING)
        return {"words": words, "video": torch.rand(batch_size, 3, 4, 16, 16, generator=generator)}


build = Captions
