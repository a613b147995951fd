from itertools import pairwise, product

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_lightning import Trainer
from torch import nn

from mner.batch import ImageFeatures
from mner.contexts import CaptionData, UpDown, common_words, read_captions
from mner.contexts.updown.vocabulary import END, START, UNKNOWN
from mner.errors import CheckpointError, ConfigurationError, DivergenceError
from mner.posts import Post
from mner.vision import ImageEncoder, ImageTransform

WORDS = ["a", "red", "blue", "picture"]
TINY = {"embedding_size": 16, "hidden_size": 16, "attention_size": 8, "dropout": 0.0}


class TwoByTwo(ImageTransform):
    def __call__(self, image):
        return (
            torch.from_numpy(np.asarray(image.convert("RGB").resize((2, 2)), dtype=np.float32)).permute(2, 0, 1) / 255
        )


class Quarters(ImageEncoder):
    """The colours of the four quarters of a picture as regions."""

    def __init__(self, frozen: bool = True):
        super().__init__()
        self.hidden_size = 3
        self.frozen = frozen
        self.image_transform = TwoByTwo()
        self.scale = nn.Parameter(torch.ones(3), requires_grad=not frozen)

    def encode(self, pixels):
        regions = pixels.flatten(2).mT * self.scale
        return ImageFeatures(regions, torch.ones_like(regions[..., 0], dtype=torch.bool), regions.mean(1))


def updown(**options):
    torch.manual_seed(0)
    return UpDown(**{"words": WORDS, "image_encoder": Quarters(), **TINY, **options})


def random_features(model, rows):
    regions = torch.randn(rows, 3, model.image_encoder.hidden_size)
    return ImageFeatures(regions, torch.ones(rows, 3, dtype=torch.bool), regions.mean(1))


@pytest.fixture
def coloured_posts(tmp_path):
    posts = []
    for name, colour in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        path = tmp_path / f"{name}.png"
        Image.fromarray(np.full((40, 40, 3), colour, dtype=np.uint8)).save(path)
        posts += [Post(f"{name}{i}", (), image=path, contexts={"caption": f"a {name} picture"}) for i in range(4)]
    return posts


def fit(model, posts, tmp_path, epochs):
    data = CaptionData(model, posts, posts, tmp_path / "features", batch_size=4)
    trainer = Trainer(
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        default_root_dir=tmp_path,
    )
    trainer.fit(model, data)
    return trainer


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_a_training_that_diverges_stops(coloured_posts, tmp_path):
    with pytest.raises(DivergenceError, match="is NaN or infinite at step"):
        fit(updown(lr=1e30), coloured_posts, tmp_path, epochs=3)


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_it_learns_captions_and_comes_back_from_its_checkpoint(coloured_posts, tmp_path):
    model = updown(lr=3e-2)
    trainer = fit(model, coloured_posts, tmp_path, epochs=60)
    assert trainer.callback_metrics["val/loss"] < 0.2
    pictures = [Image.open(tmp_path / f"{name}.png") for name in ("blue", "red")]
    assert model.eval()(pictures) == ["a blue picture", "a red picture"]

    trainer.save_checkpoint(tmp_path / "updown.ckpt", weights_only=True)
    torch.load(tmp_path / "updown.ckpt", weights_only=True)
    loaded = UpDown.load_from_checkpoint(tmp_path / "updown.ckpt").eval()
    assert loaded(pictures) == ["a blue picture", "a red picture"]
    for name, value in model.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name])


def test_other_files_are_no_captioners(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="not a checkpoint of mner"):
        UpDown.load_from_checkpoint(tmp_path / "other.ckpt")


def test_loss_is_the_mean_over_words_and_ends():
    model = updown().eval()
    image = random_features(model, 2)
    words = model.vocabulary.encode(["a red picture", "blue"])
    before = torch.tensor([[START, *words[0, :-1].tolist()], [START, *words[1, :-1].tolist()]])
    logs = model.decoder(image, before).log_softmax(-1)
    expected = [-logs[row, t, words[row, t]] for row, length in ((0, 4), (1, 2)) for t in range(length)]
    assert model.loss(image, words).item() == pytest.approx(torch.stack(expected).mean().item(), rel=1e-5)


def test_captions_are_the_likeliest_without_repetition():
    model = updown(num_beams=150, max_length=3).eval()
    torch.nn.init.normal_(model.decoder.words.weight, std=3.0)
    image = random_features(model, 2)
    allowed = [index for index in range(len(model.vocabulary)) if index not in (END, START, UNKNOWN)]
    for row, caption in enumerate(model.captions(image)):
        one = ImageFeatures(image.regions[row : row + 1], image.mask[row : row + 1], image.pooled[row : row + 1])
        best, best_score = None, -torch.inf
        for length in range(4):
            for words in product(allowed, repeat=length):
                if any(left == right for left, right in pairwise(words)):
                    continue
                closed = [*words, END][:3]
                logs = model.decoder(one, torch.tensor([[START, *closed[:-1]]])).log_softmax(-1)
                score = sum(logs[0, t, word].item() for t, word in enumerate(closed))
                if score > best_score:
                    best, best_score = words, score
        assert caption == model.vocabulary.decode(best)


def test_a_trained_image_encoder_is_refused():
    with pytest.raises(ConfigurationError, match="learns from fixed features"):
        updown(image_encoder=Quarters(frozen=False))


def test_training_leaves_the_image_encoder_alone(coloured_posts, tmp_path):
    model = updown()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fit(model, coloured_posts[:4], tmp_path, epochs=1)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith("image_encoder.")


def test_it_trains_on_files_of_captions(coloured_posts, tmp_path):
    file = tmp_path / "captions.jsonl"
    file.write_text('{"image_id": "red.png", "caption": ["a red picture", "red"]}\n', encoding="utf-8")
    posts = read_captions(file, tmp_path)
    model = updown(words=common_words((post.contexts["caption"] for post in posts), min_count=1))
    fit(model, posts, tmp_path, epochs=1)
    assert model.vocabulary.words[3:] == ["red", "a", "picture"]
