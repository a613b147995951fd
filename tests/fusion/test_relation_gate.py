"""The relation gate equals its equations, post by post; r is learned, reported, and 0 without an image."""

import numpy as np
import pytest
import torch
from PIL import Image

from mner.components import to_config
from mner.errors import ConfigurationError
from mner.fusion import RelationGate
from mner.inference.tagger import Tagger
from mner.labels import labels_for
from mner.posts import Post
from mner.testing import FusionContract, TinyGrid, TinyRegions, tiny_text_encoder
from mner.text import VisualBertText

LABELS = labels_for(("PER", "LOC"))


def tiny_visualbert():
    """A VisualBERT that starts from the tiny BERT."""
    return VisualBertText("tiny", architecture=to_config(tiny_text_encoder())["init_args"]["architecture"])


def make(**arguments):
    torch.manual_seed(0)
    parts = {"text_encoder": tiny_visualbert(), "image_encoder": TinyGrid(6), "lstm_size": 5, **arguments}
    return RelationGate(labels=LABELS, **parts).eval()


def without_dropout(model):
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    return model


@pytest.fixture
def posts(tmp_path):
    """Four posts, the second without an image, the last with that of the third."""
    texts = (("kevin", "in", "oslo"), ("good", "morning"), ("paris",), ("a", "b"))
    images = (tmp_path / "a.png", None, tmp_path / "b.png", tmp_path / "b.png")
    return [Post(f"{index}", words, ("O",) * len(words), images[index]) for index, words in enumerate(texts)]


class TestContract(FusionContract):
    fusion = RelationGate
    init_args = {"lstm_size": 8}  # noqa: RUF012

    def text_encoder(self):
        return tiny_visualbert()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(w, name, inputs):
    """The states of an LSTM, step by step; its gates are input, forget, cell and output."""
    size = len(getattr(w, f"{name}_weight_hh_l0")) // 4
    state = cell = np.zeros(size)
    states = []
    for x in inputs:
        gates = getattr(w, f"{name}_weight_ih_l0") @ x + getattr(w, f"{name}_bias_ih_l0")
        gates = gates + getattr(w, f"{name}_weight_hh_l0") @ state + getattr(w, f"{name}_bias_hh_l0")
        enter, forget, new, leave = np.split(gates, 4)
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(new)
        state = sigmoid(leave) * np.tanh(cell)
        states.append(state)
    return states


def read(model, post, scale):
    """Words and [CLS] of one post, read alone with its regions times a number, or without any."""
    batch = model.preprocessor([post])
    image = model.encode_image(batch)
    image.regions = image.regions * scale
    return model.text_encoder(batch, image if post.image else None)


def test_it_equals_its_equations(posts, numpy_weights, softmax):
    model = make().double()
    w, batch = numpy_weights(model), model.preprocessor(posts)
    text, image = model.encode(batch)
    fused, relation = model.fuse(text, image), model.post_scores(text, image)["relation"]
    for index, post in enumerate(posts):
        first = read(model, post, 1.0).pooled[0].detach().numpy()
        r = softmax(w.relation_weight @ first + w.relation_bias)[1] if post.image else 0.0
        assert relation[index].item() == pytest.approx(r, abs=1e-12)
        words = read(model, post, r).words[0].detach().numpy()
        forward, backward = lstm(w, "forward_lstm", words), lstm(w, "backward_lstm", words[::-1])[::-1]
        found = fused[index, : len(words)].detach().numpy()
        assert np.allclose(found, np.concatenate([forward, backward], axis=1), atol=1e-9)
    assert 0.05 < relation[0] < 0.95


def test_the_lstm_may_have_a_size_of_numpy():
    assert make(lstm_size=np.int64(4)).fused_size == 8


def test_without_an_image_only_the_text_counts(posts):
    model = make()
    alone = model(model.preprocessor([posts[1]]))
    for parameter in (model.relation.weight, model.text_encoder.model.embeddings.visual_projection.weight):
        parameter.data.normal_()
    together = model(model.preprocessor(posts))
    torch.testing.assert_close(together[1, :2], alone[0])


def test_the_relation_follows_its_layer(posts, tmp_path):
    Image.effect_noise((20, 20), 80).convert("RGB").save(tmp_path / "a.png")
    model = make()
    for bias, expected in ((9.0, 1.0), (-9.0, 0.0)):
        model.relation.weight.data.zero_()
        model.relation.bias.data = torch.tensor([0.0, bias])
        tagger = Tagger(model)
        assert tagger.predict("kevin in oslo", tmp_path / "a.png").scores["relation"] == pytest.approx(
            expected, abs=1e-3
        )
        assert tagger.predict("kevin in oslo").scores == {"relation": 0.0}
        record = model.attention(model.preprocessor(posts))
        gate = torch.tensor([expected, 0.0, expected, expected])[:, None].expand(4, 3)
        torch.testing.assert_close(record.gates["relation"], gate, rtol=0, atol=1e-3)
        if expected:
            batch = model.preprocessor(posts)
            image = model.encode_image(batch)
            looks = model.text_encoder.attention(batch, image)
            torch.testing.assert_close(record.gates["visual"], looks.sum(dim=-1), rtol=0, atol=1e-3)


@pytest.mark.parametrize("image_encoder", [TinyGrid(6), TinyRegions(6)])
def test_exchanged_images_teach_the_relation(posts, image_encoder):
    model = make(image_encoder=image_encoder, relation_weight=0.5)
    batch = without_dropout(model).train().preprocessor(posts)
    text, image = model.encode(batch)
    loss = model.auxiliary_loss(batch, text, image, torch.empty(0))
    present = [0, 2, 3]
    order = torch.randperm(3, generator=torch.Generator().manual_seed(0)).tolist()
    shuffled = {present[order[place]]: present[order[place - 1]] for place in range(3)}
    losses = []
    for row in present:
        for other in {row, shuffled[row]}:
            own = row == other
            if not own and posts[row].image == posts[other].image:
                continue
            alone = model.preprocessor([posts[row]])
            regions = model.encode_image(model.preprocessor([posts[other]]))
            scores = model.relation(model.text_encoder(alone, regions).pooled[0]).log_softmax(dim=-1)
            losses.append(-scores[1 if own else 0])
    assert 4 <= len(losses) <= 5
    torch.testing.assert_close(loss, 0.5 * torch.stack(losses).mean())


def test_no_loss_where_there_is_nothing_to_exchange(posts):
    model = make().train()

    def loss(posts, model=model):
        batch = model.preprocessor(posts)
        text, image = model.encode(batch)
        return model.auxiliary_loss(batch, text, image, torch.empty(0))

    for few in (posts[:1], posts[1:2], posts[:2], posts[2:]):  # one, none, one of two, the same one twice
        assert loss(few) == 0
    assert loss(posts) > 0
    assert loss(posts, model.eval()) is None
    assert loss(posts, make(relation_weight=0.0).train()) is None


def test_exchanges_do_not_touch_the_random_state(posts):
    model = without_dropout(make()).train()
    batch = model.preprocessor(posts)
    text, image = model.encode(batch)
    before = torch.get_rng_state()
    losses = [model.auxiliary_loss(batch, text, image, torch.empty(0)) for _ in range(2)]
    assert torch.equal(before, torch.get_rng_state())
    assert losses[0] == losses[1]


def test_the_relation_learns_from_exchanged_images(tmp_path):
    """Each text belongs to one image, which only both together show."""
    posts = [Post(f"{index}", (word,), ("O",), tmp_path / f"{word}.png") for index, word in enumerate("abcd")]
    model = without_dropout(make(relation_weight=1.0)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    batch = model.preprocessor(posts)
    for _ in range(300):
        text, image = model.encode(batch)
        loss = model.auxiliary_loss(batch, text, image, torch.empty(0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss < 0.35:  # half of what it is without knowing anything
            break
    assert loss < 0.35


def test_arguments_out_of_range():
    for arguments in ({"lstm_size": 0}, {"relation_weight": -1.0}):
        with pytest.raises(ConfigurationError, match=f"expected {next(iter(arguments))} >= [01], got"):
            make(**arguments)
    with pytest.raises(ConfigurationError, match=r"RelationGate lets words .* got HuggingFaceText"):
        make(text_encoder=tiny_text_encoder())
