"""What every run of a bundle does, once: the classes that its YAML names."""

from medmae.recipes.classification import ClassifierEvaluation, FineTuning, Prediction, SlideMaps
from medmae.recipes.downstream import Downstream
from medmae.recipes.embedding import Embedding
from medmae.recipes.images import Images
from medmae.recipes.phenotyping import FewLabels
from medmae.recipes.pictures import ImagePictures, StainPanels
from medmae.recipes.pretraining import Pretraining
from medmae.recipes.reconstruction import Reconstruction
from medmae.recipes.synthesis import Synthesis, SynthesisEvaluation, SynthesisTraining
from medmae.recipes.trainer import Trainer
from medmae.recipes.volumes import VolumeFeatures

__all__ = [
    "ClassifierEvaluation",
    "Downstream",
    "Embedding",
    "FewLabels",
    "FineTuning",
    "ImagePictures",
    "Images",
    "Prediction",
    "Pretraining",
    "Reconstruction",
    "SlideMaps",
    "StainPanels",
    "Synthesis",
    "SynthesisEvaluation",
    "SynthesisTraining",
    "Trainer",
    "VolumeFeatures",
]
