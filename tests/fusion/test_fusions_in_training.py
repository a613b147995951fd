"""Every fusion trains in mixed precision, over accumulated batches, in two processes, compiled."""

import pytest
import torch
from PIL import Image
from pytorch_lightning.strategies import DDPStrategy

import mner.fusion
from mner.data import PostFiles, Twitter2017
from mner.data.writers import write_json_lines
from mner.demo import DemoPosts
from mner.fusion import UMT, CoAttention, FusionModule, LateFusion, TransformerAttention, VisualAttention
from mner.inference.tagger import Tagger
from mner.posts import Post
from mner.training import Optimization

pytestmark = pytest.mark.filterwarnings("ignore")
CLASSES = [getattr(mner.fusion, name) for name in mner.fusion.__all__]
FUSIONS = [cls for cls in CLASSES if issubclass(cls, FusionModule) and cls is not FusionModule]


def some(fusions):
    """All fusions; those that are not named only in the slow tests."""
    return [each if each in fusions else pytest.param(each, marks=pytest.mark.slow) for each in FUSIONS]


def loss(model, data, make_trainer):
    """The model's loss on the validation split, in single precision."""
    (scores,) = make_trainer().validate(model, data.using(model.preprocessor), verbose=False)
    return scores["val/loss"]


# The contract trains every fusion in mixed precision, one step without a trainer.
@pytest.mark.parametrize("fusion", some((CoAttention, UMT, TransformerAttention)))
def test_mixed_precision_and_accumulated_batches(fusion, trainable_fusion, make_trainer, shared_twitter_folder):
    data = Twitter2017(shared_twitter_folder, batch_size=4)
    model = trainable_fusion(fusion, optimization=Optimization(lr=1e-2))
    before = loss(model, data, make_trainer)
    trainer = make_trainer(max_epochs=3, precision="bf16-mixed", accumulate_grad_batches=2)
    trainer.fit(model, data.using(model.preprocessor))
    assert trainer.global_step == 9  # 20 posts are 5 batches: 3 steps an epoch, the last of one batch
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert loss(model, data, make_trainer) < 0.9 * before


DTYPES = {"bf16-true": torch.bfloat16, "16-true": torch.float16, "64-true": torch.float64}


@pytest.mark.parametrize(
    ("precision", "fusion"),
    [
        *(("bf16-true", each) for each in FUSIONS),
        *(
            pytest.param(precision, each, marks=() if each is CoAttention else pytest.mark.slow)
            for precision in ("16-true", "64-true")
            for each in FUSIONS
        ),
    ],
)
def test_true_precision_trains_scores_and_tags(
    fusion, precision, trainable_fusion, make_trainer, shared_twitter_folder
):
    data = Twitter2017(shared_twitter_folder, batch_size=4)
    model = trainable_fusion(fusion, optimization=Optimization(lr=1e-3))
    trainer = make_trainer(max_epochs=1, precision=precision)
    trainer.fit(model, data.using(model.preprocessor))
    assert {parameter.dtype for parameter in model.parameters()} == {DTYPES[precision]}
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert trainer.callback_metrics["val/loss"].isfinite()
    image = data.posts("valid")[0].image
    for entity in Tagger(model).predict("Kevin Durant enters Oracle Arena", image=image):
        assert 0 < entity.confidence <= 1.01


@pytest.mark.slow
@pytest.mark.parametrize("fusion", [CoAttention, UMT, TransformerAttention])
def test_two_processes_score_what_one_does(fusion, trainable_fusion, make_trainer, shared_twitter_folder):
    data = Twitter2017(shared_twitter_folder, batch_size=2)
    model = trainable_fusion(fusion, optimization=Optimization(lr=1e-2))
    trainer = make_trainer(max_epochs=3, devices=2, strategy="ddp_fork")
    trainer.fit(model, data.using(model.preprocessor))
    together = {name: value.item() for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
    (alone,) = make_trainer().validate(model, data.using(model.preprocessor), verbose=False)
    assert together["val/support"] == 6
    assert together == {name: pytest.approx(alone[name], rel=1e-4) for name in together}


@pytest.mark.slow
@pytest.mark.parametrize("fusion", FUSIONS)
def test_two_processes_learn_what_one_does(fusion, trainable_fusion, make_trainer, shared_twitter_folder):
    found = []
    gloo = DDPStrategy(start_method="fork", process_group_backend="gloo")
    for settings in ({"accumulate_grad_batches": 2}, {"devices": 2, "strategy": gloo}):
        model = trainable_fusion(fusion, optimization=Optimization(lr=1e-2, ema_decay=0.9))
        for part in model.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
        trainer = make_trainer(max_epochs=2, **settings)
        trainer.fit(model, Twitter2017(shared_twitter_folder, batch_size=2).using(model.preprocessor))
        found.append({**trainer.callback_metrics, **model.state_dict()})
    alone, together = ({name: value for name, value in each.items() if "train/" not in name} for each in found)
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_two_processes_of_which_one_sees_no_image(trainable_fusion, make_trainer, tmp_path):
    posts = [Post(f"{index}", ("nike", "opens"), ("B-ORG", "O")) for index in range(8)]
    posts[0] = Post("0", ("nike", "opens"), ("B-ORG", "O"), image=tmp_path / "noise.png")
    Image.new("RGB", (4, 4), "red").save(tmp_path / "noise.png")
    write_json_lines(posts, tmp_path / "posts.jsonl", images=tmp_path)
    files = {"train": tmp_path / "posts.jsonl", "valid": tmp_path / "posts.jsonl"}
    data = PostFiles(**files, images=tmp_path, batch_size=1)
    model = trainable_fusion(CoAttention)
    before = model.image_encoder.projection.weight.detach().clone()
    make_trainer(max_epochs=1, devices=2, strategy="ddp_fork").fit(model, data.using(model.preprocessor))
    assert not torch.equal(model.image_encoder.projection.weight, before)


@pytest.mark.parametrize(
    "fusion", [VisualAttention, *(pytest.param(each, marks=pytest.mark.slow) for each in (CoAttention, UMT))]
)
def test_a_compiled_fusion_equals_itself(fusion, make_fusion, features):
    model = make_fusion(fusion)
    compiled = torch.compile(model.fuse, backend="aot_eager")  # which needs no compiler of machine code
    results = []
    for fuse in (model.fuse, compiled):
        fused = fuse(*features)
        fused.square().sum().backward()
        results.append([fused, *(each.grad for each in model.parameters() if each.grad is not None)])
        model.zero_grad()
    for eager, captured in zip(*results, strict=True):
        torch.testing.assert_close(captured, eager)


@pytest.mark.slow
@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_compiled_training_equals_itself(fusion, trainable_fusion, make_trainer, shared_twitter_folder):
    found = []
    for compile_model in (lambda model: model, lambda model: torch.compile(model, backend="aot_eager")):
        torch.compiler.reset()
        model = trainable_fusion(fusion, optimization=Optimization(lr=1e-2))
        trainer = make_trainer(max_epochs=1)
        torch.manual_seed(0)
        trainer.fit(compile_model(model), Twitter2017(shared_twitter_folder, batch_size=10).using(model.preprocessor))
        found.append({**trainer.callback_metrics, **model.state_dict()})
    eager, compiled = found
    assert torch.isfinite(eager["train/loss"])
    torch.testing.assert_close(compiled, eager, rtol=1e-3, atol=1e-5)


def test_posts_without_a_single_image_are_reported(trainable_fusion, make_trainer):
    model = trainable_fusion(LateFusion)
    with pytest.warns(UserWarning, match=r"none of the 16 train posts has an image"):
        make_trainer(max_steps=1).fit(model, DemoPosts(size=16).using(model.preprocessor))
