"""Sound as a picture: log-mel spectrograms, with time along the rows and frequency along the columns.

Two front ends of published weights, and one whose bands are free: Kaldi's, of AudioMAE, MAViL, CAV-MAE and AST, equal
to ``torchaudio.compliance.kaldi.fbank``, and that of AV-MAE. Weights of one are useless with the other: window,
logarithm, number of frames and range of values all differ.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.axes import Axis, mel
from medmae.errors import check_choice
from medmae.kinds import Kind
from medmae.tokens.patches import check_floating

Window = Literal["hann", "povey", "hamming"]

KALDI_FLOOR = 2.0**-23  # the least difference of float32 from 1
_GROUP = 16  # bands: most frequencies are weighed by none of them


class LogMel(nn.Module):
    """Waveforms ``(B, T)`` in [-1, 1] -> logarithms of energies in mel bands ``(B, 1, frames, bins)``.

    Args:
        rate: Samples a second. Sound of another rate has to be resampled before; nothing here can tell.
        bins: Bands, triangles of equal width in mel, of height 1.
        low: Where the lowest begins, in Hz.
        high: Where the highest ends, in Hz; None: at half the rate.
        frame_s: Length of a frame, in seconds.
        hop_s: From one frame to the next, in seconds.
        window: Of a frame; ``povey`` is Hann's to the power of 0.85.
        periodic: Whether the window begins anew with the sample after its last, as in TensorFlow; else it is symmetric.
        preemphasis: Share of the sample before, that is taken off each; 0 for none.
        centred: Whether the mean of the sound and that of each frame are taken off.
        whole_frames: Whether only frames that lie within the sound count; else zeros follow, and T / hop rounded up is
            their number.
        power: 2 for energies, 1 for magnitudes.
        floor: Least energy, as in Kaldi; 0 for none.
        offset: What is added before the logarithm, as in TensorFlow; 0 for none.

    Raises:
        ValueError: If bands do not lie below half the rate, or silence had no logarithm.
    """

    window: Tensor
    bank: Tensor

    def __init__(
        self,
        *,
        rate: int,
        bins: int,
        low: float,
        high: float | None = None,
        frame_s: float = 0.025,
        hop_s: float = 0.010,
        window: Window = "hann",
        periodic: bool = False,
        preemphasis: float = 0.0,
        centred: bool = False,
        whole_frames: bool = True,
        power: Literal[1, 2] = 2,
        floor: float = 0.0,
        offset: float = 0.0,
    ) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {  # with which another one hears the same
            "rate": rate,
            "bins": bins,
            "low": low,
            "high": high,
            "frame_s": frame_s,
            "hop_s": hop_s,
            "window": window,
            "periodic": periodic,
            "preemphasis": preemphasis,
            "centred": centred,
            "whole_frames": whole_frames,
            "power": power,
            "floor": floor,
            "offset": offset,
        }
        high = rate / 2 if high is None else high
        if not 0 <= low < high <= rate / 2:
            raise ValueError(f"bands from {low} to {high} Hz do not lie between 0 and {rate / 2} Hz, half the rate")
        if floor <= 0 and offset <= 0:
            raise ValueError("silence has no logarithm: give floor or offset a positive value")
        self.band = (mel(high) - mel(low)) / (bins + 1)  # from one middle to the next, in mel
        self.lowest = mel(low) + self.band
        self.rate, self.frame, self.hop = rate, round(rate * frame_s), round(rate * hop_s)
        self.points = 2 ** math.ceil(math.log2(self.frame))
        self.preemphasis, self.centred, self.whole_frames = preemphasis, centred, whole_frames
        self.power, self.floor, self.offset = power, floor, offset
        bank, self.centres = mel_bank(bins=bins, low=low, high=high, rate=rate, points=self.points)
        self.register_buffer("bank", bank, persistent=False)
        self._keep_parts()
        shape = window_of(window, length=self.frame, periodic=periodic)
        if preemphasis and shape[0]:
            raise ValueError(
                f"{window} does not begin with 0, as pre-emphasis of whole sounds needs: take hann or povey"
            )
        self.register_buffer("window", shape, persistent=False)

    @property
    def silence(self) -> float:
        """What a band without energy has."""
        return math.log(max(self.floor, 0.0) + self.offset)

    @property
    def loudest(self) -> float:
        """What a band has in whose middle a sine of full scale sounds."""
        return math.log(max(float(self.window.sum() / 2) ** self.power, self.floor) + self.offset)

    def kind(self, name: str = "audio") -> Kind:
        """What it makes of sounds: its axes in seconds and Hz; the peak is what lies between silence and full scale."""
        axes = (
            Axis("time", unit="s", start=self.frame / 2 / self.rate, step=self.hop / self.rate),
            Axis("frequency", unit="Hz", start=self.lowest, step=self.band, spacing="mel"),
        )
        unit = "ln of energy" if self.power == 2 else "ln of magnitude"
        return Kind.of(name, axes, peak=self.loudest - self.silence, unit=unit)

    @property
    def empty(self) -> tuple[int, ...]:
        """Bands between two frequencies of the transform, which have the value of silence whatever is heard."""
        return tuple((self.bank.sum(dim=1) == 0).nonzero().flatten().tolist())

    def num_frames(self, samples: int) -> int:
        """Frames of a sound."""
        if self.whole_frames:
            return max(0, 1 + (samples - self.frame) // self.hop)
        return -(-samples // self.hop)

    def seconds(self, frames: int) -> Tensor:
        """Where the middle of each frame lies, ``(frames,)``, in seconds; the time axis."""
        return (torch.arange(frames) * self.hop + self.frame / 2) / self.rate

    def hertz(self) -> Tensor:
        """Where the middle of each band lies, ``(bins,)``, in Hz; the frequency axis."""
        return self.centres

    def forward(self, sound: Tensor) -> Tensor:
        """``(B, T)`` -> ``(B, 1, frames, bins)`` float32.

        Raises:
            ValueError: If the sound is shorter than a frame, or is no batch of one channel each.
        """
        check_floating(sound)
        if sound.ndim != 2:
            raise ValueError(f"expected sounds of shape (B, T), one channel each, got {tuple(sound.shape)}")
        if not self.num_frames(sound.shape[1]):
            raise ValueError(f"{sound.shape[1]} samples are less than one frame, {self.frame}: leave such sounds out")
        at_once = 1 if sound.device.type == "cpu" else len(sound)  # what lies in the caches of a processor
        parts = [self._log_mel(part) for part in sound.float().split(at_once)]
        return torch.cat(parts).unsqueeze(1)

    def _log_mel(self, sound: Tensor) -> Tensor:
        """``(B, T)`` -> ``(B, frames, bins)``."""
        transform = torch.view_as_real(torch.fft.rfft(self._frames(sound)))  # (B, frames, points / 2 + 1, 2)
        values = transform.square_()
        if self.power == 1:
            values = torch.stack([values.sum(dim=3).sqrt(), torch.zeros_like(values[..., 0])], dim=3)
        rows = values.flatten(2).flatten(0, 1)  # real and imaginary parts in turn: the bank adds them
        bands = [
            rows[:, first : first + len(part)] @ part for first, part in zip(self._first, self._parts(), strict=True)
        ]
        energies = torch.cat(bands, dim=1).clamp_(min=self.floor).unflatten(0, values.shape[:2])
        return (energies + self.offset if self.offset else energies).log()

    def _frames(self, sound: Tensor) -> Tensor:
        """Windowed, and filled with zeros: ``(B, frames, points)``."""
        count = self.num_frames(sound.shape[1])
        if self.centred:
            sound = sound - sound.mean(dim=1, keepdim=True)
        sound = F.pad(sound, (0, max(0, (count - 1) * self.hop + self.frame - sound.shape[1])))
        # Emphasis of the whole sound is that of its frames, but for the first sample of each, which the window hides.
        emphasised = sound
        if self.preemphasis:
            rest = torch.sub(sound[:, 1:], sound[:, :-1], alpha=self.preemphasis)
            emphasised = torch.cat([sound[:, :1], rest], dim=1)
        frames = sound.new_empty(len(sound), count, self.points)
        frames[..., self.frame :] = 0
        heard = frames[..., : self.frame].copy_(emphasised.unfold(1, self.frame, self.hop)[:, :count])
        if self.centred:
            heard.add_((self.preemphasis - 1.0) * self._means(sound, count))
        heard.mul_(self.window)
        return frames

    def _means(self, sound: Tensor, count: int) -> Tensor:
        """Of each frame, ``(B, frames, 1)``: each sample is added up once, in stretches that frames consist of."""
        step = math.gcd(self.frame, self.hop)
        stretches = sound[:, : sound.shape[1] // step * step].unflatten(1, (-1, step)).sum(dim=2)
        return (
            stretches.unfold(1, self.frame // step, self.hop // step)[:, :count].sum(dim=2, keepdim=True) / self.frame
        )

    def _parts(self) -> list[Tensor]:
        return [getattr(self, f"part_{index}") for index in range(len(self._first))]

    def _keep_parts(self) -> None:
        """Of some bands each: the values of a transform that they weigh, from a first on, ``(values, bands)``."""
        self._first = []
        for index, bank in enumerate(self.bank.split(_GROUP)):
            weighed = bank.any(dim=0).nonzero().flatten()
            first, last = (int(weighed[0]), int(weighed[-1]) + 1) if len(weighed) else (0, 1)
            self._first.append(2 * first)
            part = bank[:, first:last].repeat_interleave(2, dim=1).T.contiguous()
            self.register_buffer(f"part_{index}", part, persistent=False)


def kaldi(*, rate: int = 16_000, bins: int = 128) -> LogMel:
    """The front end of AudioMAE, MAViL, CAV-MAE and AST: 998 frames of 128 bands for 10 s.

    Bin 3 is empty at these values, as in their weights' data. They divide by their own mean and deviation afterwards.
    """
    return LogMel(rate=rate, bins=bins, low=20.0, preemphasis=0.97, centred=True, floor=KALDI_FLOOR)


def av_mae(*, low: float = 0.0, high: float | None = None, offset: float = 1e-3, power: Literal[1, 2] = 1) -> LogMel:
    """The front end of AV-MAE: 16 kHz, windows of Hamming of 25 ms every 10 ms, 100 frames of 128 bands a second.

    Its published data came with spectrograms, and neither bands nor logarithm are published: they are options here.
    """
    return LogMel(
        rate=16_000,
        bins=128,
        low=low,
        high=high,
        window="hamming",
        periodic=True,
        whole_frames=False,
        power=power,
        offset=offset,
    )


def body_sounds(*, rate: int = 4000, bins: int = 40, low: float = 25.0, high: float = 1000.0) -> LogMel:
    """For heart and lung sounds: frames of 64 ms, and no band without a frequency of its own at these values.

    Most of what a heart gives lies below 500 Hz: of bands up to 8 kHz nine in ten would hold nothing of it.
    """
    return LogMel(rate=rate, bins=bins, low=low, high=high, frame_s=0.064, centred=True, floor=KALDI_FLOOR)


def mel_bank(*, bins: int, low: float, high: float, rate: int, points: int) -> tuple[Tensor, Tensor]:
    """Weights of the frequencies of a transform below half the rate, ``(bins, points / 2)``, and centres in Hz.

    Sides are straight in mel, as in Kaldi and TensorFlow, not in Hz as in librosa; computed in double precision.
    """
    edges = torch.linspace(mel(low), mel(high), bins + 2, dtype=torch.float64)
    left, centre, right = (edges[start : start + bins].unsqueeze(1) for start in range(3))  # (bins, 1)
    places = 1127.0 * torch.log1p(torch.arange(points // 2, dtype=torch.float64) * rate / points / 700.0)
    up, down = (places - left) / (centre - left), (right - places) / (right - centre)  # (bins, points / 2)
    centres = 700.0 * torch.expm1(centre.flatten() / 1127.0)
    return torch.minimum(up, down).clamp(min=0).float(), centres.float()


def window_of(name: Window, *, length: int, periodic: bool) -> Tensor:
    """``(length,)``.

    Raises:
        ValueError: If there is no such window.
    """
    check_choice(name, ("hann", "povey", "hamming"), name="window")
    if name == "hamming":
        return torch.hamming_window(length, periodic=periodic, dtype=torch.float64).float()
    hann = torch.hann_window(length, periodic=periodic, dtype=torch.float64)
    return (hann**0.85 if name == "povey" else hann).float()
