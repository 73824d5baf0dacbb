from medmae.api import Embedded as Embedded
from medmae.api import Run as Run
from medmae.api import create as create
from medmae.api import embed as embed
from medmae.api import evaluate as evaluate
from medmae.api import load_encoder as load_encoder
from medmae.api import methods as methods
from medmae.api import pretrain as pretrain

__version__: str
