"""Compare how a decoder-only model reads posts: causally, or in both directions, in both cases with captions first.

python benchmarks/bidirectional.py --folder bidirectional --seeds 3

A small Llama is first trained as a language model on the captions and texts of the training demo posts, so that it has
the weights of a causal model, and is then fine-tuned for entities in either way. Half of the mentions in these posts
are ambiguous: only the caption determines their type. A finished run is saved in the folder and not repeated.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import pytorch_lightning as pl
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from mner.analysis.mention_kinds import score_kinds
from mner.analysis.spread import Spread
from mner.demo import DemoPosts
from mner.fusion import TextOnly
from mner.inference.load import load_model
from mner.inference.tagger import Tagger
from mner.text import HuggingFaceText
from mner.training import Optimization

READINGS = ("causal", "bidirectional")
SHAPE = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4}


def byte_level_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """Train a small tokenizer of Llama 3's kind."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<pad>", "<unk>", "<s>", "</s>"]
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=1000, special_tokens=special, initial_alphabet=alphabet)
    )
    names = dict(zip(("pad_token", "unk_token", "bos_token", "eos_token"), special, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=256, **names)


def pretrain(folder: Path, data: DemoPosts, epochs: int) -> float:
    """Train a language model and save it; returns its last loss per subword."""
    texts = [f"{post.contexts.get('caption', '')} {' '.join(post.words)}" for post in data.posts("train")]
    tokenizer = byte_level_tokenizer(texts)
    rows = tokenizer(texts, padding=True, return_tensors="pt")
    labels = rows["input_ids"].masked_fill(rows["attention_mask"] == 0, -100)
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=256, pad_token_id=0, **SHAPE)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        for part in torch.randperm(len(labels)).split(32):
            batch = {name: rows[name][part] for name in ("input_ids", "attention_mask")}
            loss = model(**batch, labels=labels[part]).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return float(loss)


def run(reading: str, seed: int, folder: Path, data: DemoPosts, epochs: int) -> dict[str, float]:
    """Fine-tune the language model once; returns F1 in percent per kind of mention in the test posts."""
    pl.seed_everything(seed, verbose=False)
    encoder = HuggingFaceText(str(folder / "model"), bidirectional=True, max_length=128)
    encoder.model.config.is_causal = reading == "causal"
    model = TextOnly(
        labels=data.labels,
        text_encoder=encoder,
        contexts=["caption"],
        optimization=Optimization(lr=1e-3, decoder_lr=1e-2, warmup_ratio=0.1),
    )
    with tempfile.TemporaryDirectory() as run_folder:
        best = pl.callbacks.ModelCheckpoint(run_folder, monitor="val/f1", mode="max", save_weights_only=True)
        trainer = pl.Trainer(
            max_epochs=epochs,
            callbacks=[best],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(model, datamodule=data.using(model.preprocessor))
        scored = load_model(best.best_model_path)
        scored.text_encoder.model.config.is_causal = reading == "causal"
        predictions = list(Tagger(scored).stream(data.posts("test")))
    return {kind: 100 * score.f1 for kind, score in score_kinds(predictions).items()}


def main() -> None:
    """Read the options, run, print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--folder", type=Path, default=Path("bidirectional"))
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--epochs", type=int, default=10)
    options.add_argument("--pretraining_epochs", type=int, default=20)
    given = options.parse_args()
    data = DemoPosts(size=600, contexts=["caption"], batch_size=16)
    if not (given.folder / "model").exists():
        pl.seed_everything(0, verbose=False)
        loss = pretrain(given.folder / "model", data, given.pretraining_epochs)
        print(f"language model: loss {loss:.2f} per subword", flush=True)
    print("| reading | plain mentions | ambiguous mentions |\n|---|---|---|")
    for reading in READINGS:
        results = []
        for seed in range(given.seeds):
            path = given.folder / f"{reading}.{seed}.json"
            if not path.exists():
                path.write_text(json.dumps(run(reading, seed, given.folder, data, given.epochs)), encoding="utf-8")
            results.append(json.loads(path.read_text(encoding="utf-8")))
        cells = [f"{Spread.of(scores[kind] for scores in results):.1f}" for kind in ("plain", "ambiguous")]
        print(f"| {reading} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
