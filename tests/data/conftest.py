"""A data module with posts in memory, and a model that records which posts it sees."""

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer

from mner.data import PostDataModule
from mner.posts import Post


class InMemory(PostDataModule):
    """Posts of 1 to 9 words: 50 to train, 10 to validate, 6 to test."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.labels = ["O", "B-PER", "I-PER"]

    def read(self, split):
        sizes = [1 + index % 9 for index in range({"train": 50, "valid": 10, "test": 6}[split])]
        return [Post(f"{split}_{index}", ("a",) * size, ("O",) * size) for index, size in enumerate(sizes)]


class Ids:
    """A preprocessor whose batches are the ids of the posts."""

    contexts = ()
    labels = ()
    image_transform = None

    def using(self, **options):
        return self

    def check(self, posts, split):
        pass

    def prepare(self, post):
        return post

    def lengths(self, posts):
        return [len(post.words) for post in posts]

    def __call__(self, posts):
        return [post.id for post in posts]


class Witness(LightningModule):
    """Keeps the ids of the posts of each batch."""

    preprocessor = Ids()

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen = {"train": [], "valid": [], "test": [], "predict": []}

    def training_step(self, batch, batch_idx):
        self.seen["train"].append(batch)
        return self.weight.square().sum()

    def validation_step(self, batch, batch_idx):
        self.seen["valid"].append(batch)

    def test_step(self, batch, batch_idx):
        self.seen["test"].append(batch)

    def predict_step(self, batch, batch_idx):
        self.seen["predict"].append(batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def in_memory():
    """The class of the data module."""
    return InMemory


@pytest.fixture
def witness():
    """The class of the model."""
    return Witness


@pytest.fixture
def trainer(tmp_path):
    """A function that makes a quiet trainer on the CPU."""

    def make(**arguments):
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        defaults = {"accelerator": "cpu", "devices": 1, "max_epochs": 2, "num_sanity_val_steps": 0}
        defaults["use_distributed_sampler"] = False
        return Trainer(default_root_dir=tmp_path, **{"enable_checkpointing": False, **quiet, **defaults, **arguments})

    return make
