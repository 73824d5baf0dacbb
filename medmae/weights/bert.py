"""BERT's weights in and out, by Hugging Face's names, of a method that reads words by it or embeds them as it does."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from medmae.errors import DataError
from medmae.nn.bert import BertEncoder
from medmae.nn.tied_words import TiedWordHead
from medmae.nn.words import WordEmbedding
from medmae.weights.maps.bert import BERT
from medmae.weights.read import load_state
from medmae.weights.report import ImportReport
from medmae.weights.write import save_safetensors

_NEW = (".cross.", ".cross_norm.")  # what a plain BERT has not
_WORDS = "encoder.text.words."  # where the map puts the embedding


def load_bert(method: nn.Module, path: str | Path, *, sha256: str | None = None) -> ImportReport:
    """Fills ``encoder.text`` and ``word_head`` of a method, all of it or nothing; else the embedding ``encoder.words``.

    Layers of cross-attention that the file does not have stay as they are, and so does the head where it is a file of
    the encoder alone; the report names them as ``missing``. Where words are embedded
    and no more, the file's layers are read by none, and ``dead``.

    Args:
        method: Such as :class:`medmae.methods.smaug.SMAUG`, or :class:`medmae.methods.simvtp.SimVTP`.
        path: Of ``BertModel``, ``BertForMaskedLM`` or ``BertForPreTraining``.
        sha256: See :func:`medmae.weights.read.load_state`.

    Raises:
        DataError: If the file is missing or damaged, or is a BERT of other sizes; the method is unchanged.
        ValueError: If the method has neither.
    """
    words = dict(method.named_modules()).get("encoder.words")
    parts = {"encoder.words": words} if isinstance(words, WordEmbedding) else _parts(method)
    renamed, dead = BERT.apply(load_state(path, sha256=sha256))
    if parts.keys() == {"encoder.words"}:
        dead = [*dead, *(key for key in renamed if not key.startswith(_WORDS))]
        renamed = {f"encoder.words.{k.removeprefix(_WORDS)}": v for k, v in renamed.items() if k.startswith(_WORDS)}
    own = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    report = ImportReport.compare(renamed, own, dead=dead, adapted=[])
    head = any(key.startswith("word_head.") for key in renamed)
    lacking = [key for key in report.missing if not any(new in key for new in _NEW)]
    lacking = [key for key in lacking if head or not key.startswith("word_head.")]
    if lacking or report.reshaped or report.unexpected:
        raise DataError(
            f"the file is no BERT of these sizes:\n{report.table()}",
            path=path,
            remedy="build the method with its words (--vocabulary vocab.txt), max_words, width and number of layers",
        )
    for name, part in parts.items():
        found = {key.removeprefix(f"{name}."): renamed[key] for key in report.matched if key.startswith(f"{name}.")}
        part.load_state_dict(found, strict=False)
    return report


def save_bert(method: nn.Module, path: str | Path) -> str:
    """Writes ``encoder.text`` and ``word_head`` as ``BertForMaskedLM`` has them; gives the file's sha256.

    Where layers have cross-attention, their configuration needs ``is_decoder`` and ``add_cross_attention``.

    Raises:
        ValueError: If the method has no BERT.
    """
    parts = _parts(method)
    state = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    return save_safetensors(BERT.write(state), path)


def _parts(method: nn.Module) -> dict[str, nn.Module]:
    modules = dict(method.named_modules())
    text, head = modules.get("encoder.text"), modules.get("word_head")
    if not isinstance(text, BertEncoder) or not isinstance(head, TiedWordHead):
        raise ValueError(
            f"{type(method).__name__} does not read words by a BERT: it has no encoder.text and word_head of one"
        )
    return {"encoder.text": text, "word_head": head}
