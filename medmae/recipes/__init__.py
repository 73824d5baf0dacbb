"""What every run of a bundle does, once: the classes that its YAML names."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medmae.recipes.action_units import UnitEvaluation, UnitTimelines, UnitTraining
    from medmae.recipes.answering import AnswerEvaluation, Answers, AnswerTraining
    from medmae.recipes.classification import ClassifierEvaluation, FineTuning, Prediction, SlideMaps
    from medmae.recipes.completion import CompletedClouds, CompletedFiles, Completion
    from medmae.recipes.downstream import Downstream
    from medmae.recipes.embedding import Embedding
    from medmae.recipes.hidden_joints import HiddenJoints
    from medmae.recipes.hidden_words import HiddenWords
    from medmae.recipes.images import Images
    from medmae.recipes.kept_encoder import KeptEncoder
    from medmae.recipes.kept_words import KeptWords, TaskWords
    from medmae.recipes.kinds import KindsDownstream, KindsFound, KindsRetrieval
    from medmae.recipes.phenotyping import FewLabels
    from medmae.recipes.pictures import ImagePictures, Sounds, StainPanels
    from medmae.recipes.pretraining import Pretraining
    from medmae.recipes.reconstruction import Reconstruction
    from medmae.recipes.retrieval import Lookup, RetrievalEvaluation, RetrievalTraining
    from medmae.recipes.synthesis import Synthesis, SynthesisEvaluation, SynthesisTraining
    from medmae.recipes.trainer import Trainer
    from medmae.recipes.volumes import VolumeFeatures

__all__ = [
    "AnswerEvaluation",
    "AnswerTraining",
    "Answers",
    "ClassifierEvaluation",
    "CompletedClouds",
    "CompletedFiles",
    "Completion",
    "Downstream",
    "Embedding",
    "FewLabels",
    "FineTuning",
    "HiddenJoints",
    "HiddenWords",
    "ImagePictures",
    "Images",
    "KeptEncoder",
    "KeptWords",
    "KindsDownstream",
    "KindsFound",
    "KindsRetrieval",
    "Lookup",
    "Prediction",
    "Pretraining",
    "Reconstruction",
    "RetrievalEvaluation",
    "RetrievalTraining",
    "SlideMaps",
    "Sounds",
    "StainPanels",
    "Synthesis",
    "SynthesisEvaluation",
    "SynthesisTraining",
    "TaskWords",
    "Trainer",
    "UnitEvaluation",
    "UnitTimelines",
    "UnitTraining",
    "VolumeFeatures",
]

_HOMES = {  # name -> module
    "AnswerEvaluation": "answering",
    "AnswerTraining": "answering",
    "Answers": "answering",
    "ClassifierEvaluation": "classification",
    "CompletedClouds": "completion",
    "CompletedFiles": "completion",
    "Completion": "completion",
    "Downstream": "downstream",
    "Embedding": "embedding",
    "FewLabels": "phenotyping",
    "FineTuning": "classification",
    "HiddenJoints": "hidden_joints",
    "HiddenWords": "hidden_words",
    "ImagePictures": "pictures",
    "Images": "images",
    "KeptEncoder": "kept_encoder",
    "KeptWords": "kept_words",
    "KindsDownstream": "kinds",
    "KindsFound": "kinds",
    "KindsRetrieval": "kinds",
    "Lookup": "retrieval",
    "Prediction": "classification",
    "Pretraining": "pretraining",
    "Reconstruction": "reconstruction",
    "RetrievalEvaluation": "retrieval",
    "RetrievalTraining": "retrieval",
    "SlideMaps": "classification",
    "Sounds": "pictures",
    "StainPanels": "pictures",
    "Synthesis": "synthesis",
    "SynthesisEvaluation": "synthesis",
    "SynthesisTraining": "synthesis",
    "TaskWords": "kept_words",
    "Trainer": "trainer",
    "UnitEvaluation": "action_units",
    "UnitTimelines": "action_units",
    "UnitTraining": "action_units",
    "VolumeFeatures": "volumes",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - imported when asked for: who reads images trains nothing
    if name in _HOMES:
        return getattr(importlib.import_module(f"medmae.recipes.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
