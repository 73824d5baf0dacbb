"""Points: groups of neighbours are tokens, positions come from coordinates, and whole clouds are compared (Chamfer)."""

import torch
from torch import nn

from medmae.kinds import Kind
from medmae.masking import RandomMasking
from medmae.masking.base import gather_tokens
from medmae.methods.base import MaskedMethod, StepOutput
from medmae.methods.shown import Shown
from tests.contracts.parts import TokenEncoder

POINTS = Kind.of("points", ["point"], channels=["x", "y", "z"], peak=None, unit="m")
GROUPS, NEIGHBOURS = 8, 6


def grouped(points):
    """Centres ``(B, G, 3)`` and the numbers of the points nearest to each ``(B, G, K)``."""
    rows = points.transpose(1, 2)
    centres = rows[:, :: rows.shape[1] // GROUPS][:, :GROUPS].clone()
    return {"centres": centres, "groups": torch.cdist(centres, rows).topk(NEIGHBOURS, largest=False).indices}


class Groups(TokenEncoder):
    def __init__(self):
        super().__init__(POINTS)
        self.embed, self.place = (nn.Sequential(nn.Linear(3, 24), nn.GELU(), nn.Linear(24, 24)) for _ in range(2))

    def local(self, batch):  # (B, G, K, 3), each group around its centre
        rows = gather_tokens(batch["points"].transpose(1, 2), batch["groups"].flatten(1))
        return rows.unflatten(1, (GROUPS, NEIGHBOURS)) - batch["centres"].unsqueeze(2)

    def tokens(self, batch):
        batch = batch if "groups" in batch else {**batch, **grouped(batch["points"])}
        return self.embed(self.local(batch)).amax(dim=2) + self.place(batch["centres"]), None


class Cloud(MaskedMethod):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = Groups(), nn.TransformerEncoderLayer(24, 2, 48, dropout=0.0, batch_first=True)
        self.mask_token, self.head = nn.Parameter(torch.randn(24)), nn.Linear(24, NEIGHBOURS * 3)
        self.maskings = {"points": RandomMasking(num_tokens=GROUPS, ratio=0.6)}

    def forward(self, batch, *, generator=None, masks=None, progress=1.0):
        masks = masks or self.draw_masks(batch, generator=generator)
        mask = masks["points"]
        latent = self.encoder(mask.keep(self.encoder.tokens(batch)[0]))
        asked = self.mask_token + mask.hidden(self.encoder.place(batch["centres"]))
        found = self.head(self.decoder(torch.cat([latent, asked], dim=1))[:, mask.num_visible :])  # (B, M, K 3)
        true = mask.hidden(self.encoder.local(batch).flatten(2))  # (B, M, K 3)
        distance = torch.cdist(*(rows.unflatten(2, (-1, 3)) for rows in (found, true)))  # (B, M, K, K)
        chamfer = distance.amin(dim=2).mean() + distance.amin(dim=3).mean()
        return StepOutput.of(terms={"points": chamfer}, prediction={"points": found}, masks=masks)

    @torch.no_grad()
    def show(self, batch, masks):
        mask, found = masks["points"], self(batch, masks=masks).prediction["points"].unflatten(2, (-1, 3))
        made = (found + mask.hidden(batch["centres"]).unsqueeze(2)).flatten(2)
        made = gather_tokens(made, mask.masked.argsort(dim=1)).unflatten(2, (-1, 3)).flatten(1, 2).transpose(1, 2)
        seen, where = mask.keep(batch["groups"]).flatten(1), mask.hidden(batch["groups"]).flatten(1)
        hidden = torch.zeros_like(batch["points"][:, 0], dtype=torch.bool).scatter(1, where, True)
        return {"points": Shown(POINTS, batch["points"], hidden.scatter(1, seen, False).unsqueeze(1), made, anew=True)}

    def example_batch(self, batch_size=2, *, generator=None):
        points = torch.rand(batch_size, 3, 40, generator=generator)
        return {"points": points, **grouped(points)}


build = Cloud
