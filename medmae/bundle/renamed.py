"""Dotted names that recipes had, and what they are called now: an old bundle is told so, and raises no traceback.

There are no re-exports. A key is a name, or a module with all that it held; the longest that fits counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_EVALUATION = "medmae.recipes.Reconstruction, .Downstream or .ClassifierEvaluation"
_CLASSIFIER = "medmae.recipes.FineTuning or medmae.recipes.ClassifierEvaluation"
_SYNTHESIS = "medmae.recipes.SynthesisTraining or medmae.recipes.SynthesisEvaluation"
_TRAINING = "medmae.recipes.Pretraining, .FineTuning or .SynthesisTraining"
_PAIRS = "medmae.data.Samples with a view medmae.data.Pairs"
_SCALE = "the argument scale of what builds the method, such as medmae.methods.he_mmae.he_mmae_small"

RENAMED: Mapping[str, str] = {
    "medmae.bundle.classification": _CLASSIFIER,
    "medmae.bundle.classification.map_classification": "medmae.recipes.SlideMaps",
    "medmae.bundle.few_labels": "medmae.recipes.FewLabels",
    "medmae.bundle.finish": _EVALUATION,
    "medmae.bundle.finish.finish_pretraining": "medmae.recipes.Pretraining",
    "medmae.bundle.start": _EVALUATION,
    "medmae.bundle.synthesis": _SYNTHESIS,
    "medmae.data.augment.MRPretrainAugment": "medmae.data.augment.mr_slice.MRPretrainAugment",
    "medmae.data.augment.stain.StainNormalise": _SCALE,
    "medmae.data.augment.stain.normalise_rgb": _SCALE,
    "medmae.data.augment_images": "medmae.data.augment.image",
    "medmae.data.augment_pair": "medmae.data.augment.pair",
    "medmae.data.augment_stains": "medmae.data.augment.stain",
    "medmae.data.augment_stains.StainNormalise": _SCALE,
    "medmae.data.augment_stains.normalise_rgb": _SCALE,
    "medmae.data.augment_volume": "medmae.data.augment.volume",
    "medmae.data.cases": "medmae.data.volumes.cases",
    "medmae.data.colour_jitter": "medmae.data.augment.colour_jitter",
    "medmae.data.crops": "medmae.data.Samples with a view medmae.data.Crops",
    "medmae.data.image_dataset": "medmae.data.Samples with a view medmae.data.Pictures",
    "medmae.data.image_source": "medmae.recipes.Images",
    "medmae.data.images.dataset": "medmae.data.Samples with a view medmae.data.Pictures",
    "medmae.data.images.source.read_images": "medmae.recipes.Images",
    "medmae.data.pairs": _PAIRS,
    "medmae.data.pixel_shift": "medmae.data.augment.pixel_shift",
    "medmae.data.slices": "medmae.data.Samples with a view medmae.data.Slices",
    "medmae.data.slides.tiles.TileDataset": "medmae.data.Samples with a view medmae.data.Tiles",
    "medmae.data.stacks": "medmae.data.Samples with a view medmae.data.Stacks",
    "medmae.data.stain_tiles": "medmae.data.slides.stain_tiles",
    "medmae.data.tiles": "medmae.data.Samples with a view medmae.data.Tiles",
    "medmae.data.volumes.VolumeFolder": "medmae.data.volumes.folder.VolumeFolder",
    "medmae.data.volumes.crops.CropDataset": "medmae.data.Samples with a view medmae.data.Crops",
    "medmae.data.volumes.pairs.PairCropDataset": _PAIRS,
    "medmae.data.volumes.pairs.PairDataset": _PAIRS,
    "medmae.data.volumes.slices.SliceDataset": "medmae.data.Samples with a view medmae.data.Slices",
    "medmae.data.volumes.stacks.StackDataset": "medmae.data.Samples with a view medmae.data.Stacks",
    "medmae.evaluate.classify.predictions.predict_images": "medmae.recipes.Prediction",
    "medmae.evaluate.classify.protocol.judge_encoders": "medmae.recipes.Downstream",
    "medmae.evaluate.embeddings": "medmae.recipes.Embedding",
    "medmae.evaluate.features.embeddings.embed_tiles": "medmae.recipes.Embedding",
    "medmae.evaluate.features.extractor.TileEncoder": "medmae.recipes.Embedding",
    "medmae.evaluate.features.image_embeddings": "medmae.recipes.Embedding",
    "medmae.evaluate.image_embeddings": "medmae.recipes.Embedding",
    "medmae.evaluate.image_pictures": "medmae.recipes.ImagePictures",
    "medmae.evaluate.image_predictions": "medmae.recipes.Prediction",
    "medmae.evaluate.leakage.require_unseen": _EVALUATION,
    "medmae.evaluate.mixing": "medmae.evaluate.classify.mixing",
    "medmae.evaluate.probe_callback": "medmae.evaluate.features.probe_callback",
    "medmae.evaluate.protocol": "medmae.recipes.Downstream",
    "medmae.evaluate.reconstruct.image_pictures.write_image_pictures": "medmae.recipes.ImagePictures",
    "medmae.evaluate.reconstruct.reconstruction.evaluate_reconstruction": "medmae.recipes.Reconstruction",
    "medmae.evaluate.reconstruct.stain_panels.write_stain_panels": "medmae.recipes.StainPanels",
    "medmae.evaluate.reconstruction": "medmae.recipes.Reconstruction",
    "medmae.evaluate.stain_panels": "medmae.recipes.StainPanels",
    "medmae.evaluate.synthesis_cases": "medmae.evaluate.synthesis.case_scores",
    "medmae.evaluate.synthesis_method": _SYNTHESIS,
    "medmae.evaluate.synthesise": "medmae.recipes.Synthesis",
    "medmae.evaluate.tile_encoder": "medmae.recipes.Embedding",
    "medmae.evaluate.trained": "medmae.recipes.SlideMaps or medmae.recipes.ClassifierEvaluation",
    "medmae.nn.heads.Scaled": _SCALE,
    "medmae.recipes.classification.evaluate_classification": "medmae.recipes.ClassifierEvaluation",
    "medmae.recipes.classification.finish_classification": "medmae.recipes.FineTuning",
    "medmae.recipes.classification.load_classification": _CLASSIFIER,
    "medmae.recipes.classification.map_classification": "medmae.recipes.SlideMaps",
    "medmae.recipes.classification.start_classification": "medmae.recipes.FineTuning",
    "medmae.recipes.finish.finish_evaluation": _EVALUATION,
    "medmae.recipes.finish.finish_pretraining": "medmae.recipes.Pretraining",
    "medmae.recipes.phenotyping.evaluate_encoder": "medmae.recipes.FewLabels",
    "medmae.recipes.start": _EVALUATION,
    "medmae.recipes.synthesis.evaluate_run": "medmae.recipes.SynthesisEvaluation",
    "medmae.recipes.synthesis.finish_synthesis": "medmae.recipes.SynthesisTraining",
    "medmae.recipes.synthesis.load_synthesis": _SYNTHESIS,
    "medmae.recipes.synthesis.start_synthesis": "medmae.recipes.SynthesisTraining",
    "medmae.training.fit": _TRAINING,
    "medmae.weights.io.load_weights": _EVALUATION,
    "medmae.weights.pretrained.load_encoder": "medmae.recipes.FineTuning, .Downstream or .Embedding",
}
# Arguments that classes of medmae.recipes had.
ARGUMENTS: Mapping[str, str] = {
    "data": "leave it out: it is the source of the samples",
    "split": "leave it out: it is that of the samples",
    "val_loader": "it is validation now, the data set itself",
}
_NAME = re.compile(r"medmae(?:\.\w+)+")


def renamed(name: str) -> str | None:
    """What a dotted name is called now; None if it is not one of the old ones."""
    parts = name.split(".")
    for count in range(len(parts), 1, -1):
        new = RENAMED.get(".".join(parts[:count]))
        if new is not None:
            is_module = re.fullmatch(r"medmae(\.[a-z]\w*)+", new) is not None and count < len(parts)
            return ".".join([new, *parts[count:]]) if is_module else new
    return None


def renamed_in(text: str) -> str | None:
    """The first old name in a text with its new one, such as ``medmae.old is medmae.new now``; None without any."""
    names = ((name, renamed(name)) for name in _NAME.findall(text))
    return next((f"{name} is {new} now" for name, new in names if new is not None), None)
