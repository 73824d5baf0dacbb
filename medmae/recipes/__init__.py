"""What every run of a bundle does, once: the classes that its YAML names."""

from medmae.recipes.downstream import Downstream
from medmae.recipes.embedding import Embedding
from medmae.recipes.pictures import ImagePictures, StainPanels
from medmae.recipes.pretraining import Pretraining
from medmae.recipes.reconstruction import Reconstruction
from medmae.recipes.trainer import Trainer

__all__ = [
    "Downstream",
    "Embedding",
    "ImagePictures",
    "Pretraining",
    "Reconstruction",
    "StainPanels",
    "Trainer",
]
