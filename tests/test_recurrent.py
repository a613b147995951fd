"""Recurrent layers on machines whose library lacks their half-precision kernels, simulated and as they are."""

import pytest
import torch
from torch import nn

from mner.batch import ImageFeatures, TextFeatures
from mner.contexts.updown.top_down_decoder import TopDownDecoder
from mner.data import Twitter2017
from mner.fusion import VisualAttention
from mner.recurrent import has_recurrent_kernel, run_recurrent
from mner.testing import TinyGrid, tiny_text_encoder

LAYERS = [nn.LSTM, nn.GRU, nn.RNN, nn.LSTMCell, nn.GRUCell, nn.RNNCell]
HALVES = [torch.bfloat16, torch.float16]


@pytest.fixture
def without_half_kernels(monkeypatch):
    """A machine on which no recurrent layer computes in half precision, as oneDNN without AVX-512."""

    def refuse(forward):
        def run(self, inputs, state=None):
            autocast = torch.is_autocast_enabled("cpu")
            if (torch.get_autocast_dtype("cpu") if autocast else inputs.dtype) in HALVES:
                raise RuntimeError("could not create a primitive descriptor for the LSTM forward propagation primitive")
            return forward(self, inputs, state)

        return run

    for layer in LAYERS:
        monkeypatch.setattr(layer, "forward", refuse(layer.forward))
    has_recurrent_kernel.cache_clear()
    yield
    has_recurrent_kernel.cache_clear()


def first(output):
    while isinstance(output, tuple):
        output = output[0]
    return output


def inputs_of(cls):
    return torch.randn(4, 3) if issubclass(cls, nn.RNNCellBase) else torch.randn(2, 4, 3)


@pytest.mark.parametrize("cls", LAYERS)
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.usefixtures("without_half_kernels")
def test_without_the_kernel_it_runs_in_float32(cls, dtype):
    torch.manual_seed(0)
    layer, inputs = cls(3, 5), inputs_of(cls)
    expected = first(layer(inputs))
    expected.sum().backward()
    gradients = [parameter.grad.clone() for parameter in layer.parameters()]
    layer.zero_grad()
    with torch.autocast("cpu", dtype):
        output = first(run_recurrent(layer, inputs))
    output.sum().backward()
    assert torch.equal(output, expected)
    assert all(torch.equal(parameter.grad, grad) for parameter, grad in zip(layer.parameters(), gradients, strict=True))


@pytest.mark.parametrize("cls", LAYERS)
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.usefixtures("without_half_kernels")
def test_a_layer_in_half_precision_keeps_its_data_type(cls, dtype):
    torch.manual_seed(0)
    layer, inputs = cls(3, 5).to(dtype), inputs_of(cls).to(dtype)
    names = list(layer.state_dict())
    output = first(run_recurrent(layer, inputs))
    output.sum().backward()
    assert output.dtype == dtype
    assert all(parameter.grad.dtype == dtype for parameter in layer.parameters())
    assert list(layer.state_dict()) == names
    torch.testing.assert_close(output.float(), first(layer.float()(inputs.float())), rtol=0, atol=0.01)


@pytest.mark.parametrize("cls", LAYERS)
@pytest.mark.parametrize("autocast", [True, False])
@pytest.mark.parametrize("dtype", HALVES)
def test_on_this_machine_it_runs_in_every_precision(cls, dtype, autocast):
    torch.manual_seed(0)
    layer, inputs = cls(3, 5), inputs_of(cls)
    expected = first(layer(inputs))
    if not autocast:
        layer, inputs = layer.to(dtype), inputs.to(dtype)
    with torch.autocast("cpu", dtype, enabled=autocast):
        output = first(run_recurrent(layer, inputs))
    output.sum().backward()
    torch.testing.assert_close(output.float(), expected, rtol=0, atol=0.02)


def test_the_probe_draws_no_random_numbers_and_runs_in_inference_mode_too():
    has_recurrent_kernel.cache_clear()
    before = torch.get_rng_state()
    cpu = torch.device("cpu")
    with torch.inference_mode():
        inside = [has_recurrent_kernel(cls, cpu, torch.bfloat16, False) for cls in LAYERS]
    has_recurrent_kernel.cache_clear()
    assert inside == [has_recurrent_kernel(cls, cpu, torch.bfloat16, False) for cls in LAYERS]
    assert has_recurrent_kernel(nn.LSTM, cpu, torch.float32, False)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("autocast", [True, False])
@pytest.mark.usefixtures("without_half_kernels")
def test_visual_attention_runs_without_the_kernel(labels, dtype, autocast):
    torch.manual_seed(0)
    parts = {"text_encoder": tiny_text_encoder(8), "image_encoder": TinyGrid(6)}
    model = VisualAttention(labels=labels, **parts).eval()
    words, mask = torch.randn(2, 4, 8), torch.tensor([[True] * 4, [True, True, False, False]])
    regions, present = torch.randn(2, 3, 6), torch.ones(2, 3, dtype=torch.bool)

    def fuse(dtype):
        text = TextFeatures(words.to(dtype), mask, words[:, 0].to(dtype))
        return model.fuse(text, ImageFeatures(regions.to(dtype), present, regions[:, 0].to(dtype)))

    expected = fuse(torch.float32)
    with torch.autocast("cpu", dtype, enabled=autocast):
        fused = fuse(torch.float32) if autocast else model.to(dtype) and fuse(dtype)
    fused.float().sum().backward()
    torch.testing.assert_close(fused.float(), expected, rtol=0, atol=0.05)


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("without_half_kernels")
def test_visual_attention_trains_without_the_kernel(labels, make_trainer, shared_twitter_folder, precision):
    model = VisualAttention(labels=labels, text_encoder=tiny_text_encoder(8), image_encoder=TinyGrid(6))
    before = model.query.weight_hh_l0.detach().clone()
    make_trainer(max_epochs=1, precision=precision).fit(
        model, Twitter2017(shared_twitter_folder, batch_size=4).using(model.preprocessor)
    )
    assert not torch.equal(model.query.weight_hh_l0, before)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("autocast", [True, False])
@pytest.mark.usefixtures("without_half_kernels")
def test_the_caption_decoder_runs_without_the_kernel(dtype, autocast):
    torch.manual_seed(0)
    decoder = TopDownDecoder(7, region_size=5, embedding_size=4, hidden_size=6, attention_size=3, dropout=0.0)
    vectors, mask = torch.randn(2, 3, 5), torch.ones(2, 3, dtype=torch.bool)
    words = torch.tensor([[1, 4, 5], [1, 6, 3]])
    expected = decoder(ImageFeatures(vectors, mask, vectors.mean(1)), words)
    if not autocast:
        decoder, vectors = decoder.to(dtype), vectors.to(dtype)
    with torch.autocast("cpu", dtype, enabled=autocast):
        scores = decoder(ImageFeatures(vectors, mask, vectors.mean(1)), words)
    scores.float().sum().backward()
    torch.testing.assert_close(scores.float(), expected, rtol=0, atol=0.02)
