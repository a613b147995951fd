"""Lightning sees the batches of the buckets, in one process and in two, and goes on where it was cut off."""

import json
import os
from itertools import chain

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from mner.data.length_grouped_batches import LengthGroupedBatchSampler
from mner.data.loader import post_loader
from mner.posts import Post

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning warns of small data, few workers, other callbacks


def test_fit_sees_the_batches_of_each_epoch(in_memory, witness, trainer):
    model, data = witness(), in_memory(batch_size=8)
    trainer(max_epochs=2).fit(model, datamodule=data.using(model.preprocessor))
    expected = []
    buckets = LengthGroupedBatchSampler([len(post.words) for post in data.posts("train")], 8)
    for epoch in range(2):
        buckets.set_epoch(epoch)
        expected += [[f"train_{index}" for index in batch] for batch in buckets]
    assert model.seen["train"] == expected
    assert sorted(chain(*model.seen["valid"])) == sorted(2 * [f"valid_{index}" for index in range(10)])


def test_test_and_predict_see_every_post_longest_first(in_memory, witness, trainer):
    model, data = witness(), in_memory(batch_size=4)
    trainer().test(model, datamodule=data.using(model.preprocessor), verbose=False)
    trainer().predict(model, datamodule=data.using(model.preprocessor))
    assert model.seen["test"] == model.seen["predict"] == [[f"test_{i}" for i in (5, 4, 3, 2)], ["test_1", "test_0"]]


@pytest.mark.parametrize("step", [3, 7, 10, 14])
def test_a_training_goes_on_within_an_epoch(in_memory, witness, trainer, tmp_path, step):
    whole = witness()
    kept = ModelCheckpoint(tmp_path, every_n_train_steps=step, save_top_k=-1)
    trainer(max_epochs=3, callbacks=[kept], enable_checkpointing=True).fit(
        whole, datamodule=in_memory(batch_size=8).using(whole.preprocessor)
    )
    (checkpoint,) = tmp_path.glob(f"*step={step}.ckpt")
    rest = witness()
    trainer(max_epochs=3).fit(rest, in_memory(batch_size=8).using(rest.preprocessor), ckpt_path=checkpoint)
    assert len(whole.seen["train"]) == 21
    assert rest.seen["train"] == whole.seen["train"][step:]


@pytest.mark.parametrize("workers", [0, 1])
def test_leaves_the_random_state_alone(workers):
    posts = [Post(str(index), ("a",)) for index in range(20)]
    loader = post_loader(posts, LengthGroupedBatchSampler([1] * 20, 4), len, workers)
    state = torch.get_rng_state()
    assert list(loader) == [4] * len(loader) == [4] * 5
    assert torch.equal(torch.get_rng_state(), state)


def test_overfitting_a_few_batches(in_memory, witness, trainer):
    model, data = witness(), in_memory(batch_size=8)
    trainer(overfit_batches=3).fit(model, datamodule=data.using(model.preprocessor))
    first = [f"train_{index}" for index in range(24)]
    assert model.seen["train"] == 2 * [first[:8], first[8:16], first[16:24]]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the two processes are forked")
def test_two_processes_share_the_posts(in_memory, witness, trainer, tmp_path):
    class Writer(witness):
        def on_fit_end(self):
            (tmp_path / f"{self.global_rank}.json").write_text(json.dumps(self.seen), encoding="utf-8")

    data = in_memory(batch_size=8).using(Writer.preprocessor)
    trainer(devices=2, strategy="ddp_fork", max_epochs=1).fit(Writer(), datamodule=data)
    one, two = (json.loads((tmp_path / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2))
    assert len(one["train"]) == len(two["train"]) == 4
    assert set(chain(*one["train"], *two["train"])) == {f"train_{index}" for index in range(50)}
    assert sorted(chain(*one["valid"], *two["valid"])) == sorted(f"valid_{index}" for index in range(10))
    assert one["valid"]
    assert two["valid"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the two processes are forked")
def test_a_sampler_of_the_trainers_own_is_refused(in_memory, witness, trainer):
    data = in_memory().using(witness.preprocessor)
    with pytest.raises(Exception, match="use_distributed_sampler=False"):
        trainer(devices=2, strategy="ddp_fork", use_distributed_sampler=True).fit(witness(), datamodule=data)
