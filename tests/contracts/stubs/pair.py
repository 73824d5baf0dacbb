"""Three encoders without a mask: faces, voices and skeletons of one moment are told from those of others."""

from itertools import combinations

from torch import nn

from medmae.kinds import Kind
from medmae.methods.base import Method, StepOutput, count_samples
from medmae.objectives.contrastive import info_nce
from tests.contracts.parts import TokenEncoder, examples, vit

FACE = Kind.image("face")
VOICE = Kind.of("voice", ["frequency", "time"], unit="dB", peak=None)
SKELETON = Kind.of("skeleton", ["time", "joint"], channels=["x", "y", "z"], unit="m", peak=None)


class Frames(TokenEncoder):
    """A skeleton a frame is a token."""

    def __init__(self):
        super().__init__(SKELETON)
        self.embed = nn.Linear(3 * 5, self.dim)

    def tokens(self, batch):
        return self.embed(batch["skeleton"].movedim(2, 1).flatten(2)), None  # (B, T, D)


class Pair(Method):
    needs = frozenset({"negatives"})

    def __init__(self):
        super().__init__()
        self.face, self.voice, self.skeleton = vit(FACE, (16, 16), (8, 8)), vit(VOICE, (8, 12), (4, 4)), Frames()
        self.heads = nn.ModuleDict({name: nn.Linear(24, 16) for name in self.encoders})

    @property
    def encoders(self):
        return {"face": self.face, "voice": self.voice, "skeleton": self.skeleton}

    def forward(self, batch, *, generator=None, masks=None, progress=1.0):
        if masks:
            raise ValueError("it hides nothing and takes no mask")
        if count_samples(batch) < 2:
            raise ValueError("a contrast needs more than one sample in a batch")
        found = {name: self.heads[name](encoder.features(batch[name])) for name, encoder in self.encoders.items()}
        terms = {
            f"{a} and {b}": info_nce(found[a], found[b], temperature=0.1, symmetric=True)
            for a, b in combinations(found, 2)
        }
        return StepOutput.of(terms=terms, prediction=found)

    def example_batch(self, batch_size=2, *, generator=None):
        shapes = {"face": (3, 16, 16), "voice": (1, 8, 12), "skeleton": (3, 6, 5)}
        return examples(shapes, batch_size, generator)


build = Pair
