import torch
from torch import nn

from mner.batch import ImageFeatures
from mner.contexts.updown.top_down_decoder import TopDownDecoder


def decoder():
    torch.manual_seed(0)
    return TopDownDecoder(
        vocabulary_size=7, region_size=5, embedding_size=4, hidden_size=6, attention_size=3, dropout=0.0
    ).double()


def features(rows=2, regions=3):
    torch.manual_seed(1)
    vectors = torch.randn(rows, regions, 5, dtype=torch.double)
    return ImageFeatures(vectors, torch.ones(rows, regions, dtype=torch.bool), vectors.mean(1))


def lstm(cell, inputs, hidden, state):
    """An LSTM cell from its equations; torch keeps the gates in the order input, forget, cell, output."""
    gates = cell.weight_ih @ inputs + cell.bias_ih + cell.weight_hh @ hidden + cell.bias_hh
    i, f, g, o = gates.chunk(4)
    state = f.sigmoid() * state + i.sigmoid() * g.tanh()
    return o.sigmoid() * state.tanh(), state


def test_it_is_the_published_model_word_by_word():
    model, image = decoder(), features()
    words = torch.tensor([[1, 4, 5], [1, 6, 3]])
    scores = model(image, words)
    for row in range(2):
        regions = image.regions[row]
        h1 = c1 = h2 = c2 = torch.zeros(6, dtype=torch.double)
        for position, word in enumerate(words[row]):
            x1 = torch.cat([h2, regions.mean(0), model.embedding.weight[word]])
            h1, c1 = lstm(model.attention_lstm, x1, h1, c1)
            a = torch.stack(
                [
                    model.attention.weight[0]
                    @ torch.tanh(model.region_projection.weight @ v + model.query_projection.weight @ h1)
                    for v in regions
                ]
            )
            attended = (a.softmax(0)[:, None] * regions).sum(0)
            h2, c2 = lstm(model.language_lstm, torch.cat([attended, h1]), h2, c2)
            expected = model.words.weight @ h2 + model.words.bias
            torch.testing.assert_close(scores[row, position], expected)


def test_masked_regions_change_nothing():
    model, image, words = decoder(), features(), torch.tensor([[1, 4], [1, 6]])
    padded = ImageFeatures(
        torch.cat([image.regions, torch.full((2, 2, 5), 9.0, dtype=torch.double)], dim=1),
        nn.functional.pad(image.mask, (0, 2)),
        image.pooled,
    )
    torch.testing.assert_close(model(padded, words), model(image, words))


def test_an_image_without_regions_gives_finite_scores():
    image = features()
    image.mask[0] = False
    image.regions[0] = 0
    assert decoder()(image, torch.tensor([[1, 2], [1, 2]])).isfinite().all()
