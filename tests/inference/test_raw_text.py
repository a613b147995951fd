"""Raw text is tagged as it was validated: entities behind hashtags and mentions are found."""

import json

import pytest

from mner.data import PostFiles
from mner.inference.tagger import Tagger
from mner.text import CharacterCNN
from mner.training import Optimization

pytestmark = pytest.mark.filterwarnings("ignore")
PLACES, PEOPLE = ("oslo", "riga", "lugo", "bonn"), ("dana", "kevin", "serena", "bob")


def write(path, texts):
    lines = []
    for text in texts:
        entities = [
            [text.index(name), text.index(name) + len(name), kind]
            for kind, names in (("LOC", PLACES), ("PER", PEOPLE))
            for name in names
            if name in text
        ]
        lines.append(json.dumps({"text": text, "entities": entities}))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_what_validation_finds_tagging_finds(make_model, make_trainer, tmp_path):
    texts = [f"so loud in #{place} with @{person}" for place in PLACES for person in PEOPLE]
    train = write(tmp_path / "train.jsonl", texts)
    data = PostFiles(train=train, valid=write(tmp_path / "valid.jsonl", texts[::3]), batch_size=4)
    optimization = Optimization(lr=1e-2)
    model = make_model(
        labels=data.labels, word_tokenizer=data.word_tokenizer, characters=CharacterCNN(), optimization=optimization
    )
    trainer = make_trainer(max_epochs=8)
    trainer.fit(model, data.using(model.preprocessor))
    (scores,) = trainer.validate(model, data, verbose=False)
    assert scores["val/f1"] == scores["val/f1_characters"] == 1
    found = {
        text: {(entity.text, entity.type) for entity in entities}
        for text, entities in zip(texts, Tagger(model).predict_batch(texts), strict=True)
    }
    assert all(
        found[f"so loud in #{place} with @{person}"] == {(place, "LOC"), (person, "PER")}
        for place in PLACES
        for person in PEOPLE
    )


def test_a_span_inside_a_word_is_scored_as_annotated(make_model, make_trainer, tmp_path):
    """Words give F1 of what the tokenizer can express, character spans of what was annotated."""
    texts = [f"so loud in #{place}attacks" for place in PLACES] * 4
    data = PostFiles(train=write(tmp_path / "train.jsonl", texts), valid=tmp_path / "train.jsonl", batch_size=4)
    model = make_model(labels=data.labels, characters=CharacterCNN(), optimization=Optimization(lr=1e-2))
    trainer = make_trainer(max_epochs=6)
    trainer.fit(model, data.using(model.preprocessor))
    (scores,) = trainer.validate(model, data, verbose=False)
    assert (scores["val/f1"], scores["val/f1_characters"]) == (1, 0)
