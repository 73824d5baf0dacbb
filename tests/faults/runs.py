"""A short training that keeps checkpoints, on samples some of which may be spoilt."""

from __future__ import annotations

from medmae.errors import DataError
from medmae.training import Checkpoints, ResumableLoader, fit
from tests.training.toys import Blobs, module, trainer


class Numbered(Blobs):
    """Samples with an index and a name; some may be spoilt."""

    def __init__(self, count=16, *, nan=(), broken=()):
        super().__init__(count)
        self.nan, self.broken = set(nan), set(broken)

    def __getitem__(self, index):
        if index in self.broken:
            raise DataError("the shard is truncated", path=f"shards/case-{index}.npy")
        image = self.images[index] * (float("nan") if index in self.nan else 1.0)
        return {"image": image, "index": index}

    def describe(self, index):
        return {"case": f"case-{index}"}


def loader(data, **options):
    return ResumableLoader(**{"dataset": data, "batch_size": 4, "shuffle": False, **options})


def run(folder, data, *, learner=None, checkpoint=None, allow_changes=False, every_steps=1, keeper=None, **options):
    keeper = keeper or Checkpoints(folder=folder / "checkpoints", every_steps=every_steps)
    made = trainer(folder, **{"enable_checkpointing": True, "callbacks": [keeper], **options})
    learner = learner or module()
    batches = data if isinstance(data, ResumableLoader) else loader(data)
    fit(trainer=made, module=learner, train_loader=batches, checkpoint=checkpoint, allow_changes=allow_changes)
    return made, learner
