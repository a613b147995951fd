"""LoRA adapters: what is trained, what a checkpoint contains and opens, and one base in memory for several adapters."""

import json
import socket
from dataclasses import asdict

import pytest
import torch
from torch.utils.data import DataLoader

import mner
from mner.cli import main
from mner.components import to_config
from mner.data import Twitter2017
from mner.errors import CheckpointError, ConfigurationError, WeightsNotFoundError
from mner.fusion import TextOnly
from mner.inference.tagger import Tagger
from mner.inference.tagging_options import TaggingOptions
from mner.labels import labels_for
from mner.pretraining import MaskedLanguageModel
from mner.text import HuggingFaceText
from mner.text.lora import LoRA, add_adapter, is_adapter
from mner.training import Optimization
from mner.training.parameter_groups import layerwise_rates
from mner.weights import resolve_weights

pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore")
LABELS = labels_for(("PER", "LOC", "ORG", "MISC"))
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def model_on(folder, seed=0, **arguments):
    torch.manual_seed(seed)
    options = {"lora": LoRA(rank=2), **arguments}
    optimization = Optimization(lr=1e-2)
    return TextOnly(labels=LABELS, text_encoder=HuggingFaceText(str(folder), **options), optimization=optimization)


@pytest.fixture
def train(train_briefly, sample_posts):
    """A function from a folder and a seed to the trained model and its checkpoint."""

    def run(folder, seed=0, steps=3, **arguments):
        return train_briefly(model_on(folder, seed, **arguments), sample_posts, name=seed, steps=steps)

    return run


def emissions(model, posts):
    with torch.no_grad():
        return model.eval()(model.preprocessor(posts))


@pytest.mark.parametrize("name", ["bert", "roberta", "deberta-v2", "mpnet", "xlm-roberta", "albert", "distilbert"])
def test_an_adapter_changes_nothing_at_first_and_is_all_that_is_trained(family, name):
    folder = str(family(name).folder)
    plain, adapted = HuggingFaceText(folder).eval(), HuggingFaceText(folder, lora=LoRA(rank=2)).eval()
    post = mner.Post("1", ("ab", "cde"))
    batches = [TextOnly(labels=LABELS, text_encoder=each).preprocessor([post]) for each in (plain, adapted)]
    torch.testing.assert_close(adapted(batches[1]).words, plain(batches[0]).words)
    trained = {name for name, weight in adapted.named_parameters() if weight.requires_grad}
    assert trained
    assert all(map(is_adapter, trained))
    assert {name for name in adapted.state_dict() if name != "base_fingerprint"} == trained


def test_training_leaves_the_base_as_it_is(train, tiny_text_encoder_folder):
    model, path = train(tiny_text_encoder_folder)
    before = HuggingFaceText(str(tiny_text_encoder_folder)).model.state_dict()
    after = {name.replace(".base_layer.", "."): each for name, each in model.text_encoder.model.state_dict().items()}
    assert all(torch.equal(after[name], weight) for name, weight in before.items() if not name.startswith("pooler"))
    kept = torch.load(path, weights_only=True)["state_dict"]
    assert sum(weight.numel() for weight in kept.values()) < 2500  # the base has 6,500


def test_a_checkpoint_of_a_packages_model_loads_by_itself(train, sample_posts, tiny_text_encoder_folder, monkeypatch):
    """``pkg://`` names files that the user has installed."""
    folder = tiny_text_encoder_folder.parent / "package_of_weights"
    if not folder.exists():
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "model").symlink_to(tiny_text_encoder_folder)
    monkeypatch.syspath_prepend(str(folder.parent))
    model, path = train("pkg://package_of_weights/model")
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was asked"))
    loaded = mner.load_model(path)
    assert to_config(loaded) == to_config(model)
    assert torch.equal(emissions(loaded, sample_posts), emissions(model, sample_posts))


def test_any_other_base_is_named_by_the_user(train, sample_posts, tiny_text_encoder_folder, family):
    model, path = train(tiny_text_encoder_folder)
    with pytest.raises(CheckpointError, match=r"an adapter without its base model, '.*tiny_bert.*--base .*mner\.load"):
        mner.load_model(path)
    loaded = mner.load_model(path, base=tiny_text_encoder_folder)
    assert torch.equal(emissions(loaded, sample_posts), emissions(model, sample_posts))
    with pytest.raises(CheckpointError, match="of the type bert, got one of the type electra"):
        mner.load_model(path, base=family("electra").folder)


def test_a_base_with_other_weights_is_refused(train, tiny_text_encoder_folder, tmp_path, make_trainer, sample_posts):
    _, path = train(tiny_text_encoder_folder)
    other = HuggingFaceText(str(tiny_text_encoder_folder))
    with torch.no_grad():
        other.model.embeddings.word_embeddings.weight[7, 3] += 1e-3
    folder = tmp_path / "other"
    other.model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / file).write_bytes((tiny_text_encoder_folder / file).read_bytes())
    with pytest.raises(CheckpointError, match="a base model with other weights"):
        mner.load_model(path, base=folder)
    with pytest.raises(CheckpointError, match="a base model with other weights"):
        mner.load_model(path, base=other)
    model = model_on(folder)  # nor is a training resumed on it
    loader = DataLoader(sample_posts, batch_size=5, collate_fn=model.preprocessor)
    with pytest.raises(CheckpointError, match="a base model with other weights"):
        make_trainer(max_steps=5, max_epochs=-1).fit(model, loader, ckpt_path=path)


def test_adapters_share_one_base_and_tag_as_alone(train, sample_posts, tiny_text_encoder_folder):
    paths = [train(tiny_text_encoder_folder, seed, steps=20)[1] for seed in (1, 2)]
    alone = [emissions(mner.load_model(path, base=tiny_text_encoder_folder), sample_posts) for path in paths]
    assert not torch.allclose(*alone)
    first = mner.load(paths[0], base=tiny_text_encoder_folder)
    second = mner.load(paths[1], base=first)
    assert isinstance(second, Tagger)
    weights = [dict(tagger.model.text_encoder.model.named_parameters()) for tagger in (first, second)]
    for name, weight in weights[0].items():
        assert (weight.data_ptr() == weights[1][name].data_ptr()) == (not is_adapter(name)), name
    for tagger, expected in zip((first, second), alone, strict=True):
        assert torch.equal(emissions(tagger.model, sample_posts), expected)
    plain = HuggingFaceText(str(tiny_text_encoder_folder))
    third = mner.load_model(paths[0], base=plain)  # an encoder without an adapter, too
    assert torch.equal(emissions(third, sample_posts), alone[0])
    second.model.to(torch.bfloat16)
    assert torch.equal(emissions(first.model, sample_posts), alone[0])


def test_a_base_that_is_less_precise_than_the_adapters_is_refused(train, sample_posts, tiny_text_encoder_folder):
    (_, whole), (_, half) = train(tiny_text_encoder_folder, 1), train(tiny_text_encoder_folder, 2, dtype="bfloat16")
    rounded = mner.load(half, base=tiny_text_encoder_folder)
    with pytest.raises(ConfigurationError, match=r"weights in bfloat16, but the adapter was trained on .* float32"):
        mner.load(whole, base=rounded)
    for first in (rounded, mner.load(whole, base=tiny_text_encoder_folder)):
        second = mner.load(half, base=first)
        assert torch.equal(emissions(second.model, sample_posts), emissions(rounded.model, sample_posts))


def test_an_encoder_with_an_adapter_computes_with_8_bits(train, sample_posts, tiny_text_encoder_folder):
    _, path = train(tiny_text_encoder_folder, steps=20)
    whole = mner.load(path, base=tiny_text_encoder_folder)
    expected = emissions(whole.model, sample_posts)
    small = mner.load(path, base=whole, options=TaggingOptions(precision="int8"))
    difference = (emissions(small.model, sample_posts) - expected).abs().max()
    assert 0 < difference < 0.1 * expected.abs().max()
    assert torch.equal(emissions(whole.model, sample_posts), expected)
    with pytest.raises(CheckpointError, match="quantised; load the one of precision int8 last"):
        mner.load(path, base=small)


def test_a_base_that_cannot_be_used_says_why(train, tiny_text_encoder_folder, tmp_path):
    _, path = train(tiny_text_encoder_folder)
    wrong = {
        path: r"expected the name or folder of a pretrained encoder, got .*base=mner\.load",
        3: "expected the name or folder of a pretrained encoder, got '3'",
        tmp_path / "absent": "no weights at .*absent; check the path",
        torch.nn.Linear(2, 2): "a Linear has no text encoder",
    }
    for base, complaint in wrong.items():
        with pytest.raises(CheckpointError, match=f"^the base model of the adapter cannot be used: {complaint}"):
            mner.load_model(path, base=base)


def test_adapters_of_experts_are_merged(save, sample_posts):
    """Each of two weights of one layer has an adapter, of which one contains the other."""
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "decoder_sparse_step": 1}
    folder = save("qwen3_moe", {**SIZES, "num_key_value_heads": 2, "head_dim": 8, **experts})
    model = model_on(folder, bidirectional=True)
    for name, weight in model.text_encoder.named_parameters():
        if is_adapter(name):
            torch.nn.init.normal_(weight, std=0.3)
    expected = model.eval().text_encoder(model.preprocessor(sample_posts)).words
    model.text_encoder.model = model.text_encoder.merged_model()
    assert not [name for name, _ in model.text_encoder.named_parameters() if is_adapter(name)]
    torch.testing.assert_close(model.text_encoder(model.preprocessor(sample_posts)).words, expected)


def test_a_whole_checkpoint_has_no_base(trained_run, tiny_text_encoder_folder):
    with pytest.raises(
        ConfigurationError, match=r"contains a whole model, which has no base; leave base \(--base\) out"
    ):
        mner.load_model(trained_run / "best.ckpt", base=tiny_text_encoder_folder)


@pytest.mark.parametrize("inside", ["/etc", "../../etc", "model/../.."])
def test_a_path_inside_a_package_stays_there(inside):
    with pytest.raises(WeightsNotFoundError, match="expected a path inside the package 'mner'"):
        resolve_weights(f"pkg://mner/{inside}")


def test_a_training_is_resumed(tiny_text_encoder_folder, make_trainer, sample_posts, tmp_path):
    def run(steps, **arguments):
        model = model_on(tiny_text_encoder_folder)
        model.optimization = Optimization(lr=1e-2, scheduler="constant")
        for part in model.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
        trainer = make_trainer(max_steps=steps, max_epochs=-1)
        trainer.fit(model, DataLoader(sample_posts, batch_size=5, collate_fn=model.preprocessor), **arguments)
        return trainer, model

    trainer, _ = run(3)
    trainer.save_checkpoint(tmp_path / "third.ckpt")
    (_, resumed), (_, whole) = run(6, ckpt_path=tmp_path / "third.ckpt"), run(6)
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict())


@pytest.mark.parametrize("precision", ["bf16-true", "bf16-mixed"])
def test_it_works_with_the_other_options(tiny_text_encoder_folder, make_trainer, sample_posts, precision):
    model = model_on(tiny_text_encoder_folder, gradient_checkpointing=True, freeze_embeddings=True, dtype="bfloat16")
    trainer = make_trainer(max_steps=2, max_epochs=-1, precision=precision)
    trainer.fit(model, DataLoader(sample_posts, batch_size=5, collate_fn=model.preprocessor))
    trained = [
        weight for name, weight in model.text_encoder.named_parameters() if name.endswith("lora_B.default.weight")
    ]
    assert trained
    assert all(weight.any() for weight in trained)  # zero before the first step


def test_layers_have_their_own_learning_rates(family):
    folder = str(family("bert").folder)
    encoder = HuggingFaceText(folder, lora=LoRA(rank=2))
    encoder.model.encoder.layer.extend([encoder.model.encoder.layer[0]])  # two layers
    rates = layerwise_rates(encoder, 1.0, 0.5, 0.0)
    of = {id(weight): lr for weights, lr, _ in reversed(rates) for weight in weights}
    found = {of[id(weight)] for name, weight in encoder.named_parameters() if is_adapter(name)}
    assert found == {0.5}
    assert of[id(encoder.model.embeddings.word_embeddings.weight)] == 0.25


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"rank": 0}, "expected lora.rank >= 1"),
        ({"dropout": 1.0}, r"lora.dropout in \[0, 1\)"),
        ({"target_modules": "(a+)+"}, "expected lora.target_modules to be all-linear or a list of names"),
        ({"target_modules": []}, "or a list of names"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        LoRA(**options)


def test_layers_that_a_model_does_not_have_are_named(tiny_text_encoder_folder):
    with pytest.raises(ConfigurationError, match=r"target_modules \['q_proj'\] do not fit a BertModel"):
        HuggingFaceText(str(tiny_text_encoder_folder), lora=LoRA(target_modules=["q_proj"]))


def test_a_model_without_linear_layers_is_refused_with_what_helps():
    convolutions = torch.nn.Sequential(torch.nn.Conv1d(4, 4, 1))
    with pytest.raises(
        ConfigurationError, match=r"all-linear do not fit a Sequential: .*; it has no linear layers, so"
    ):
        add_adapter(convolutions, LoRA(rank=2))


def test_pretraining_exports_a_whole_encoder(tiny_text_encoder_folder, make_trainer, sample_posts, tmp_path):
    encoder = HuggingFaceText(str(tiny_text_encoder_folder), lora=LoRA(rank=2))
    model = MaskedLanguageModel(text_encoder=encoder, optimization=Optimization(lr=1e-2))
    trainer = make_trainer(max_steps=3, max_epochs=-1)
    trainer.fit(model, DataLoader(sample_posts, batch_size=5, collate_fn=model.preprocessor))
    model.export(tmp_path / "encoder")
    again = HuggingFaceText(str(tmp_path / "encoder")).eval()
    batch = TextOnly(labels=LABELS, text_encoder=again).preprocessor(sample_posts)
    torch.testing.assert_close(again(batch).words, encoder.eval()(batch).words, rtol=1e-4, atol=1e-5)


def test_the_command_line_trains_scores_and_tags(experiment, tiny_text_encoder_folder, tmp_path, capsys):
    config = json.loads(experiment.read_text(encoding="utf-8"))
    config["model"]["init_args"]["text_encoder"]["init_args"]["lora"] = {"rank": 2, "target_modules": ["query"]}
    (tmp_path / "lora.yaml").write_text(json.dumps(config), encoding="utf-8")
    assert main(["fit", "--config", str(tmp_path / "lora.yaml"), "--run_folder", str(tmp_path / "run")]) == 0
    checkpoint = str(tmp_path / "run" / "best.ckpt")
    assert f"--ckpt_path {checkpoint} --base {tiny_text_encoder_folder}\n" in capsys.readouterr().out
    (tmp_path / "posts.txt").write_text("Kevin Durant enters Oracle Arena\n", encoding="utf-8")
    command = ["tag", str(tmp_path / "posts.txt"), "--ckpt_path", checkpoint]
    capsys.readouterr()
    assert main(command) == 1
    assert "--base on the command line" in capsys.readouterr().err
    assert main([*command, "--base", str(tiny_text_encoder_folder)]) == 0
    assert main([*command, f"--base={tiny_text_encoder_folder}"]) == 0
    assert asdict(mner.load_model(checkpoint, base=tiny_text_encoder_folder).text_encoder.lora)["rank"] == 2


def test_a_base_that_would_be_ignored_is_refused(trained_run, tmp_path, capsys):
    (tmp_path / "posts.txt").write_text("Kevin Durant enters Oracle Arena\n", encoding="utf-8")
    posts, checkpoint = str(tmp_path / "posts.txt"), str(trained_run / "best.ckpt")
    assert main(["tag", posts, "--ckpt_path", checkpoint, "--base", "bert"]) == 1
    assert "contains a whole model, which has no base" in capsys.readouterr().err
    assert main(["show", posts, "--base", "bert"]) == 2
    assert "show loads none" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tiny_text_encoder_folder, make_trainer, shared_twitter_folder):
    found = []
    for options in ({"accumulate_grad_batches": 2}, {"devices": 2, "strategy": "ddp_fork"}):
        model = model_on(tiny_text_encoder_folder)
        for part in model.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
        trainer = make_trainer(max_epochs=2, **options)
        trainer.fit(model, Twitter2017(shared_twitter_folder, batch_size=2).using(model.preprocessor))
        found.append(model.state_dict())
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-5)
