"""Files of mpuc-mer (``encoder_epoch_top.pth``): none is published, and these are the names that its code gives.

The layer ``text_encoder_layer`` is registered there by mistake and never read.
"""

from __future__ import annotations

from medmae.weights.maps.base import KeyMap

_SOUND = (("TCN.", "blocks."), ("out.0.", "output.0."), ("out.1.", "output.1."))
_GRAPH = ((".Theta1", ".mix"), (".batch_norm.", ".norm."), ("fc_out.", "output."))


SOUND = (("TCN.", "blocks."), ("out.0.", "output.0."), ("out.1.", "output.1."))
_GRAPH = ((".Theta1", ".mix"), (".batch_norm.", ".norm."), ("fc_out.", "output."))


def _below(place: str, theirs: str) -> tuple[tuple[str, str], ...]:
    return ((theirs, place),)


SOUND = KeyMap(source="mpuc-mer (sound)", prefixes=_SOUND)
GRAPH = KeyMap(source="mpuc-mer (landmarks)", parts=_GRAPH[:2], prefixes=_GRAPH[2:])

PAIR_EMOTION = KeyMap(
    source="ricfrr/mpuc-mer",
    parts=_GRAPH[:2],
    prefixes=(
        *((f"audio_encoder.{theirs}", f"encoder.parts.audio.{ours}") for theirs, ours in _SOUND),
        ("audio_encoder.", "encoder.parts.audio."),
        ("stgcn.fc_out.", "encoder.parts.landmarks.output."),
        ("stgcn.", "encoder.parts.landmarks."),
        ("video_encoder.", "encoder.parts.image."),
        ("trnn1.layers.", "encoder.parts.text.blocks."),
        ("text_linear.", "encoder.parts.text.output."),
        *(
            (f"proj_{theirs}.", f"projections.{ours}.")
            for theirs, ours in (("audio", "audio"), ("ld", "landmarks"), ("video", "image"), ("text", "text"))
        ),
    ),
    dead=("text_encoder_layer.",),
)
