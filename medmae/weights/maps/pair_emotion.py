"""Files of mpuc-mer (``encoder_epoch_top.pth``): none is published, and these are the names that its code gives.

The layer ``text_encoder_layer`` is registered there by mistake and never read.
"""

from __future__ import annotations

from medmae.weights.maps.base import KeyMap

PAIR_EMOTION = KeyMap(
    source="ricfrr/mpuc-mer",
    parts=((".Theta1", ".mix"), (".batch_norm.", ".norm.")),
    prefixes=(
        ("audio_encoder.TCN.", "encoder.parts.audio.blocks."),
        ("audio_encoder.out.", "encoder.parts.audio.output."),
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
