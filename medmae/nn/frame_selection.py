"""Which frames of a clip does a sentence need? The best of them are chosen, with a gradient for the choice.

That a sentence guides such a choice is SMAUG's (arXiv 2211.11446); in which form is not published. The scorer and the
perturbed choice are modelled on Wang et al., "Efficient Video Transformers with Spatial-Temporal Token Selection"
(STTS), ECCV 2022, arXiv 2111.11591.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from medmae.errors import check_choice
from medmae.nn.init import initialise_linears

Choice = Literal["straight_through", "perturbed"]
ScoreNorm = Literal["min_max", "softmax"]

_SAMPLES, _DEVIATION = 500, 0.05  # of perturbed choices, as in STTS


@dataclass(frozen=True)
class Selection:
    """Frames that were chosen.

    Attributes:
        tokens: ``(B, K, n, D)``, in the order of time.
        index: Which frames, ``(B, K)``, ascending.
        scores: Of all frames, ``(B, F)``, normalised.
    """

    tokens: Tensor
    index: Tensor
    scores: Tensor


class FrameSelector(nn.Module):
    """Scores frames by what they show and what a sentence says, and keeps the best.

    A frame is its class token and the mean of its other tokens, a sentence its class token; both are mapped to width D,
    multiplied, and put beside the sentence; side by side without a product they are hardly compared in 200 steps. Half
    of the channels of a hidden layer are replaced by their mean over frames, so that a score knows of the others.

    Args:
        dim: D.
        share: Of the frames that is kept, at least one; in (0, 1].
        choice: How the choice gets a gradient. ``perturbed``: in training, tokens of frames are mixed as often as noise
            would have chosen each (Berthet et al., NeurIPS 2020); the noise is the same at every step.
            ``straight_through``: chosen tokens are multiplied by a one that has the gradient of the score.
        score_norm: Scores of a clip's frames become shares (``softmax``), or reach from 0 to 1 (``min_max``, STTS). The
            latter has no gradient at the best and at the worst frame.
        num_frames: F, of clips that it is trained on; for ``perturbed``.

    Raises:
        ValueError: If the share or a choice is none.
    """

    def __init__(
        self,
        dim: int,
        *,
        share: float = 0.5,
        choice: Choice = "perturbed",
        score_norm: ScoreNorm = "softmax",
        num_frames: int = 4,
    ) -> None:
        super().__init__()
        check_choice(choice, get_args(Choice), name="choice")
        check_choice(score_norm, get_args(ScoreNorm), name="score_norm")
        if not 0 < share <= 1:
            raise ValueError(f"the share of frames that is kept lies above 0, up to 1, got {share}")
        self.share, self.choice, self.score_norm = share, choice, score_norm
        self.frame, self.sentence = nn.Linear(2 * dim, dim), nn.Linear(dim, dim)
        self.norm, self.mix, self.act = nn.LayerNorm(2 * dim), nn.Linear(2 * dim, dim), nn.GELU()
        self.score = nn.Sequential(
            nn.Linear(dim, dim // 2),
            nn.GELU(),
            nn.Linear(dim // 2, dim // 4),
            nn.GELU(),
            nn.Linear(dim // 4, 1, bias=False),
        )  # without a last bias: normalised scores do not know it
        initialise_linears(self)
        noise = torch.randn(_SAMPLES, num_frames, generator=torch.Generator().manual_seed(0))
        self.noise: Tensor
        self.register_buffer("noise", noise if choice == "perturbed" else None, persistent=False)

    def count(self, num_frames: int) -> int:
        """K, of so many frames."""
        return max(1, round(self.share * num_frames))

    def scores(self, tokens: Tensor, sentence: Tensor) -> Tensor:
        """Of frames ``(B, F, n, D)`` for sentences ``(B, D)``, normalised over frames: ``(B, F)``."""
        shown = self.frame(torch.cat([tokens[:, :, 0], tokens[:, :, 1:].mean(dim=2)], dim=2))  # (B, F, D)
        said = self.sentence(sentence).unsqueeze(1).expand_as(shown)
        hidden = self.act(self.mix(self.norm(torch.cat([shown * said, said], dim=2))))
        own, common = hidden.chunk(2, dim=2)
        raw = self.score(torch.cat([own, common.mean(dim=1, keepdim=True).expand_as(common)], dim=2)).squeeze(2)
        raw = raw.to(torch.promote_types(raw.dtype, torch.float32))
        if self.score_norm == "softmax":
            return raw.softmax(dim=1)
        low, high = raw.amin(dim=1, keepdim=True), raw.amax(dim=1, keepdim=True)
        return (raw - low) / (high - low + 1e-5)

    def forward(self, tokens: Tensor, sentence: Tensor) -> Selection:
        """The best frames ``(B, F, n, D)`` for sentences ``(B, D)``; all of them, as they are, if so many are kept."""
        scores, keep = self.scores(tokens, sentence), self.count(tokens.shape[1])
        index = scores.argsort(dim=1, descending=True, stable=True)[:, :keep].sort(dim=1).values  # (B, K)
        if keep == tokens.shape[1]:
            return Selection(tokens, index, scores)
        if self.choice == "perturbed" and self.training:
            mixed = torch.einsum("bkf,bfnd->bknd", self._indicators(scores, keep).to(tokens.dtype), tokens)
            return Selection(mixed, index, scores)
        rows = torch.arange(len(tokens), device=tokens.device).unsqueeze(1)
        gate = 1 + (scores - scores.detach())  # exactly one
        chosen = tokens[rows, index] * gate[rows, index].to(tokens.dtype)[..., None, None]
        return Selection(chosen, index, scores)

    def _indicators(self, scores: Tensor, keep: int) -> Tensor:
        """How often noise chooses each frame as the first, second, ... in time: ``(B, K, F)``, rows add up to 1."""
        if scores.shape[1] != self.noise.shape[1]:
            raise ValueError(
                f"a perturbed choice is trained on {self.noise.shape[1]} frames, got {scores.shape[1]}: build it with "
                "this num_frames, or with choice='straight_through'"
            )
        noise = self.noise.to(scores.dtype)
        noisy = scores.detach().unsqueeze(1) + _DEVIATION * noise  # (B, S, F)
        order = noisy.topk(keep, dim=2).indices.sort(dim=2).values  # (B, S, K)
        chosen = nn.functional.one_hot(order, scores.shape[1]).to(scores.dtype)  # (B, S, K, F)
        slope = torch.einsum("bskf,sg->bkfg", chosen, noise) / (_SAMPLES * _DEVIATION)
        return chosen.mean(dim=1) + torch.einsum("bkfg,bg->bkf", slope, scores - scores.detach())
