"""Snapchat in the JSON-lines layout, which is all that is known of the private files."""

import json

from mner.data import Snapchat


def test_labels():
    labels = Snapchat("anywhere").labels
    assert labels == ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-MISC", "I-MISC"]


def test_reads_json_lines(tmp_path):
    for split, count in (("train", 3), ("dev", 2), ("test", 1)):
        (tmp_path / "texts" / split).mkdir(parents=True)
        (tmp_path / "captions" / split).mkdir(parents=True)
        records = [
            {"id": index, "image_id": f"{split}{index}.jpg", "tokens": ["in", "Oslo"], "label": ["O", "B-LOC"]}
            for index in range(count)
        ]
        captions = [{"image_id": record["image_id"], "caption": f"a <unk> {split}"} for record in records]
        (tmp_path / "texts" / split / f"{split}.json").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
        (tmp_path / "captions" / split / "captions.json").write_text(
            "\n".join(map(json.dumps, captions)), encoding="utf-8"
        )
    data = Snapchat(tmp_path, contexts=["caption"])
    assert [len(data.posts(split)) for split in ("train", "valid", "test")] == [3, 2, 1]
    post = data.posts("valid")[1]
    assert (post.id, post.words, post.tags) == ("1", ("in", "Oslo"), ("O", "B-LOC"))
    assert (post.image.name, dict(post.contexts)) == ("dev1.jpg", {"caption": "a dev"})
