"""Cross-view alignment: its loss against all tag sequences, who learns from whom, and both views in a training."""

import json
import math
from dataclasses import replace
from itertools import pairwise, product

import pytest
import torch

import mner.fusion
from mner.callbacks import StoredImageFeatures
from mner.components import to_config
from mner.data import Twitter2017
from mner.decoders import CRF, Softmax
from mner.errors import ConfigurationError, DataError
from mner.fusion import CoAttention, Concatenation, FusionModule, TextOnly
from mner.fusion.view_alignment import ViewAlignment
from mner.fusion.word_dropout import WordDropout
from mner.inference.load import load_model
from mner.labels import labels_for
from mner.preprocessor import Preprocessor
from mner.training import Optimization
from mner.vision import Grid

pytestmark = pytest.mark.filterwarnings("ignore")
CLASSES = [getattr(mner.fusion, name) for name in mner.fusion.__all__]
FUSIONS = [cls for cls in CLASSES if issubclass(cls, FusionModule) and cls is not FusionModule]
LABELS = labels_for(["PER"])


def bound(decoder):
    torch.manual_seed(3)
    decoder.bind(LABELS)
    for parameter in decoder.parameters():
        torch.nn.init.normal_(parameter)
    return decoder.double()


def enumerated(decoder, emissions, words, temperature):
    """The label probabilities of each word by summing over all tag sequences, then softened."""
    chain = decoder.chain()
    totals = [[0.0] * len(LABELS) for _ in range(words)]
    for tags in product(range(len(LABELS)), repeat=words):
        score = chain.start[tags[0]] + chain.end[tags[-1]] + sum(emissions[t, tags[t]] for t in range(words))
        score += sum(chain.transitions[pair] for pair in pairwise(tags))
        for place, tag in enumerate(tags):
            totals[place][tag] += math.exp(score)
    softened = [[value ** (1 / temperature) for value in row] for row in totals]
    return [[value / sum(row) for value in row] for row in softened]


@pytest.mark.parametrize("decoder", [CRF, Softmax])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_divergence_is_that_over_all_tag_sequences(decoder, temperature):
    decoder = bound(decoder(reduction="mean"))
    teacher, student = torch.randn(2, 3, 4, len(LABELS), dtype=torch.float64)
    lengths, differs = (4, 2, 3), torch.tensor([True, True, False])
    mask = torch.arange(4) < torch.tensor(lengths)[:, None]
    expected = 0.0
    for post in (0, 1):
        rows = [enumerated(decoder, view[post], lengths[post], temperature) for view in (teacher, student)]
        expected += sum(p * math.log(p / q) for ps, qs in zip(*rows, strict=True) for p, q in zip(ps, qs, strict=True))
    alignment = ViewAlignment(temperature=temperature)
    found = alignment.divergence(decoder, teacher, student, mask, differs)
    assert found.item() == pytest.approx(temperature**2 * expected / 3)
    assert alignment.divergence(decoder, teacher, teacher, mask, differs).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("decoder", [CRF(constraints="decode"), CRF(constraints="both"), Softmax(), CRF("token_mean")])
def test_it_is_finite_with_forbidden_labels_and_large_scores(decoder):
    decoder = bound(decoder)
    teacher = torch.randn(2, 5, len(LABELS), dtype=torch.float64) * 1e3
    student = (torch.randn(2, 5, len(LABELS), dtype=torch.float64) * 1e3).requires_grad_()
    mask = torch.arange(5) < torch.tensor([[5], [0]])
    divergence = ViewAlignment().divergence(decoder, teacher, student, mask, torch.tensor([True, True]))
    divergence.backward()
    assert divergence.isfinite()
    assert student.grad.isfinite().all()


def test_the_gradient_reaches_the_student_alone():
    decoder = bound(CRF())
    teacher, student = (torch.randn(2, 3, len(LABELS)).double().requires_grad_() for _ in range(2))
    mask, differs = torch.ones(2, 3, dtype=torch.bool), torch.tensor([True, False])
    alignment = ViewAlignment()
    alignment.divergence(decoder, teacher, student, mask, differs).backward()
    assert teacher.grad is None
    assert student.grad[0].abs().min() > 0
    assert not student.grad[1].any()  # a post without contexts and image has nothing to learn from
    found = decoder.transitions.grad.clone()
    decoder.zero_grad()
    target = (decoder.marginals(teacher, mask) ** 0.5).detach()
    target = target / target.sum(2, keepdim=True)
    softened = (decoder.log_marginals(student, mask) / 2).log_softmax(2)
    (4 * (target * (target.log() - softened))[0].sum() / 2).backward()
    torch.testing.assert_close(decoder.transitions.grad, found)  # a student's decoder, never a teacher's


@pytest.mark.parametrize(("name", "value"), [("nll_weight", 1.5), ("temperature", 0.0), ("temperature", math.inf)])
def test_numbers_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigurationError, match=rf"align_views.nll_weight in \[0, 1\] .*got .*{value}"):
        ViewAlignment(**{name: value})


def without_evidence(posts):
    return [replace(post, image=None, contexts={}) for post in posts]


@pytest.fixture
def posts(shared_twitter_folder):
    """Five posts: two with image and caption, one with an image, one with a caption, one with neither."""
    posts = Twitter2017(shared_twitter_folder, contexts=["caption"]).posts("train")[:5]
    posts[2] = replace(posts[2], contexts={})
    posts[3] = replace(posts[3], image=None)
    return [*posts[:4], *without_evidence(posts[4:])]


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_aligns_its_views(fusion, trainable_fusion, posts):
    model = trainable_fusion(fusion, contexts=["caption"], align_views=ViewAlignment()).double().eval()
    losses = model.losses(model.preprocessor(posts))
    plain = model.losses(model.preprocessor(without_evidence(posts)))
    torch.testing.assert_close(losses.text_only, plain.emissions)
    assert losses.parts["alignment_loss"] > 1e-10
    assert plain.parts["alignment_loss"].abs() < 1e-12
    without = trainable_fusion(fusion, contexts=["caption"]).double().eval()
    without.load_state_dict(model.state_dict())
    torch.testing.assert_close(plain.total, without.losses(without.preprocessor(without_evidence(posts))).total)
    model.train().losses(model.preprocessor(posts)).total.backward()  # some losses are those of training only
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in trained)


def test_the_total_is_the_weighted_sum(trainable_fusion, posts):
    found = {}
    for weight in (0.0, 0.25, 1.0):
        model = trainable_fusion(CoAttention, contexts=["caption"], align_views=ViewAlignment(weight)).eval()
        found[weight] = model.losses(model.preprocessor(posts))
    batch = model.preprocessor(posts)
    both = sum(model.decoder.loss(view, batch.tags, batch.word_mask) for view in (model(batch), found[0].text_only))
    torch.testing.assert_close(found[1.0].total, both)
    torch.testing.assert_close(found[0.0].total, found[0.0].parts["alignment_loss"])
    torch.testing.assert_close(found[0.25].total, 0.25 * both + 0.75 * found[0.0].total)


def test_dropout_alone_gives_no_divergence(trainable_fusion, posts):
    model = trainable_fusion(CoAttention, contexts=["caption"], align_views=ViewAlignment()).train()
    assert model.losses(model.preprocessor(without_evidence(posts))).parts["alignment_loss"] == 0


def test_off_it_costs_nothing_and_needs_the_models_own_batches(trainable_fusion, posts):
    model = trainable_fusion(CoAttention, contexts=["caption"])
    batch = model.preprocessor(posts)
    assert batch.text_only is None
    assert model.losses(batch).text_only is None
    aligned = trainable_fusion(CoAttention, contexts=["caption"], align_views=ViewAlignment())
    assert aligned.preprocessor([replace(post, tags=None) for post in posts]).text_only is None
    with pytest.raises(ConfigurationError, match="expected a batch with a text-only view"):
        aligned.losses(batch)


def test_a_worker_and_a_device_move_both_views(trainable_fusion, posts):
    model = trainable_fusion(CoAttention, contexts=["caption"], align_views=ViewAlignment())
    assert isinstance(model.preprocessor, Preprocessor)
    batch = model.preprocessor(posts).to("meta")
    assert batch.text_only_view().input_ids.device.type == "meta"
    assert batch.views_differ.tolist() == [True, True, True, True, False]


@pytest.mark.parametrize("precision", ["32-true", "bf16-true", "16-true", "bf16-mixed"])
def test_both_views_are_trained_and_scored(precision, trainable_fusion, make_trainer, shared_twitter_folder):
    data = Twitter2017(shared_twitter_folder, batch_size=4, contexts=["caption"])
    align = ViewAlignment(nll_weight=0.4, temperature=4.0)
    optimization = Optimization(lr=1e-3)
    model = trainable_fusion(CoAttention, contexts=["caption"], align_views=align, optimization=optimization)
    trainer = make_trainer(max_epochs=1, precision=precision)
    trainer.fit(model, data.using(model.preprocessor))
    logged = trainer.callback_metrics
    assert {"train/alignment_loss", "val/alignment_loss", "val/f1_text_only", "val/f1_PER_text_only"} <= set(logged)
    assert all(value.isfinite() for value in logged.values())
    (scores,) = trainer.test(model, data.using(model.preprocessor), verbose=False)
    assert scores["test/support_text_only"] == scores["test/support"] > 0


def test_the_text_only_score_is_that_of_posts_without_evidence(trainable_fusion, make_trainer, shared_twitter_folder):
    data = Twitter2017(shared_twitter_folder, batch_size=4, contexts=["caption"])
    model = trainable_fusion(
        CoAttention, contexts=["caption"], align_views=ViewAlignment(), optimization=Optimization(lr=3e-3)
    )
    make_trainer(max_epochs=4).fit(model, data.using(model.preprocessor))
    (scores,) = make_trainer().test(model, data.using(model.preprocessor), verbose=False)
    plain = torch.utils.data.DataLoader(
        without_evidence(data.posts("test")), batch_size=4, collate_fn=model.preprocessor
    )
    (expected,) = make_trainer().test(model, plain, verbose=False)
    names = ("f1", "precision", "recall", "f1_PER")
    assert [scores[f"test/{name}_text_only"] for name in names] == [expected[f"test/{name}"] for name in names]


def test_stored_features_give_the_same_losses(make_model, make_trainer, shared_twitter_folder, tmp_path):
    found = []
    for callbacks in ([], [StoredImageFeatures(tmp_path / "features.lmdb")]):
        images = Grid("test_resnet", None, image_size=32, trainable_stages=0)
        images.load_state_dict({name: torch.ones_like(value) for name, value in images.state_dict().items()})
        model = make_model(Concatenation, image_encoder=images, contexts=["caption"], align_views=ViewAlignment())
        data = Twitter2017(shared_twitter_folder, batch_size=4, contexts=["caption"]).using(model.preprocessor)
        (scores,) = make_trainer(callbacks=callbacks).validate(model, data, verbose=False)
        found.append(scores)
    assert found[0]["val/alignment_loss"] > 0
    assert found[1] == {name: pytest.approx(value, rel=1e-4) for name, value in found[0].items()}


def test_a_checkpoint_keeps_the_options_and_is_resumed(trainable_fusion, make_trainer, shared_twitter_folder, tmp_path):
    def run(epochs, **arguments):
        model = trainable_fusion(
            CoAttention,
            contexts=["caption"],
            align_views=ViewAlignment(0.4, 4.0),
            optimization=Optimization(scheduler="constant"),
        )
        data = Twitter2017(shared_twitter_folder, batch_size=4, contexts=["caption"])
        trainer = make_trainer(max_epochs=epochs)
        torch.manual_seed(7)
        trainer.fit(model, data.using(model.preprocessor), **arguments)
        return trainer, model

    trainer, _ = run(1)
    trainer.save_checkpoint(tmp_path / "first.ckpt")
    loaded = load_model(tmp_path / "first.ckpt")
    assert loaded.align_views == ViewAlignment(0.4, 4.0)
    assert to_config(loaded)["init_args"]["align_views"] == {"nll_weight": 0.4, "temperature": 4.0}
    (_, resumed), (_, whole) = run(2, ckpt_path=tmp_path / "first.ckpt"), run(2)
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict())


def test_unlabelled_posts_add_their_divergence_only(trainable_fusion, posts):
    align = ViewAlignment(nll_weight=0.25)
    model = trainable_fusion(mner.fusion.UMT, contexts=["caption"], align_views=align, dropout=0.0).double()
    for part in model.modules():
        part.training = part is model  # no dropout
    tagged = model.losses(model.preprocessor(posts))
    untagged = [replace(post, tags=None) for post in posts]
    found = model.losses(model.preprocessor.using(unlabelled_views=True)(untagged))
    assert found.parts.keys() == {"alignment_loss"}  # UMT has another loss
    torch.testing.assert_close(found.parts["alignment_loss"], tagged.parts["alignment_loss"])
    torch.testing.assert_close(found.total, 0.75 * tagged.parts["alignment_loss"])
    with pytest.raises(DataError, match="has no tags, but training and validation need them"):
        model.eval().losses(model.preprocessor.using(unlabelled_views=True)(untagged))


def test_extra_posts_are_aligned_in_batches_of_their_own(trainable_fusion, make_trainer, shared_twitter_folder):
    data = Twitter2017(shared_twitter_folder, batch_size=4, contexts=["caption"])
    extra = [replace(post, id=f"extra {post.id}", tags=None) for post in data.posts("valid")]
    model = trainable_fusion(TextOnly, contexts=["caption"], align_views=ViewAlignment())
    data.extra_posts = extra
    data.using(model.preprocessor).setup("fit")
    seen = [batch.posts for batch in data.train_dataloader()]
    assert all(len({post.tags is None for post in batch}) == 1 for batch in seen)
    assert {post.id for batch in seen for post in batch} == {post.id for post in [*data.posts("train")]}
    trainer = make_trainer(max_epochs=1)
    trainer.fit(model, data)
    assert trainer.global_step == len(seen) == 5 + 2
    plain = trainable_fusion(TextOnly, contexts=["caption"])
    with pytest.raises(DataError, match="5 of 25 train posts have no annotation"):
        data.using(plain.preprocessor).setup("fit")


def test_words_are_dropped_whole_and_in_training_only():
    torch.manual_seed(0)
    words, dropout = torch.rand(200, 10, 3) + 1, WordDropout(0.1)
    found = dropout(words)
    dropped = (found == 0).all(dim=-1)
    assert 0.08 < dropped.float().mean() < 0.12
    assert torch.equal(found[~dropped], words[~dropped])
    assert torch.equal(dropout.eval()(words), words)
    with pytest.raises(ConfigurationError, match="word_dropout in"):
        WordDropout(1.0)


@pytest.mark.slow
def test_two_processes_learn_what_one_does(trainable_fusion, make_trainer, shared_twitter_folder):
    found = []
    for settings in ({"accumulate_grad_batches": 2}, {"devices": 2, "strategy": "ddp_fork"}):
        model = trainable_fusion(
            CoAttention, contexts=["caption"], align_views=ViewAlignment(), optimization=Optimization(lr=1e-2)
        )
        for part in model.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
        trainer = make_trainer(max_epochs=2, **settings)
        data = Twitter2017(shared_twitter_folder, batch_size=2, contexts=["caption"])
        trainer.fit(model, data.using(model.preprocessor))
        found.append({**trainer.callback_metrics, **model.state_dict()})
    alone, together = ({name: value for name, value in each.items() if "train/" not in name} for each in found)
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("given", [{}, {"temperature": 4}])
def test_the_command_line_scores_both_views(experiment, tmp_path, given, capsys):
    from mner.cli import main

    config = json.loads(experiment.read_text(encoding="utf-8"))
    config["model"]["init_args"]["align_views"] = given
    config["data"]["init_args"]["contexts"] = ["caption"]
    config["trainer"]["max_epochs"] = 1
    (tmp_path / "aligned.yaml").write_text(json.dumps(config), encoding="utf-8")
    assert main(["fit", "--config", str(tmp_path / "aligned.yaml"), "--run_folder", str(tmp_path / "run")]) == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert {"f1", "f1_text_only", "f1_PER_text_only"} <= metrics.keys()
    assert load_model(next(tmp_path.glob("run/**/best.ckpt"))).align_views == ViewAlignment(**given)
    assert "text only" in capsys.readouterr().out


def test_text_alone_without_contexts_is_trained_as_before(make_model, sample_posts):
    model = make_model(TextOnly, align_views=ViewAlignment()).eval()
    plain = make_model(TextOnly).eval()
    aligned, expected = (each.losses(each.preprocessor(sample_posts)) for each in (model, plain))
    assert aligned.parts["alignment_loss"] == 0
    torch.testing.assert_close(aligned.total, expected.total)
    with pytest.warns(UserWarning, match="align_views has nothing to align"):
        model.preprocessor.check(sample_posts, "train")
