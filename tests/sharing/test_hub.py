"""Models on a hub: uploaded, downloaded by name and revision, private ones with a token, and what is refused."""

import huggingface_hub
import pytest
import torch

import mner
from mner.errors import CheckpointError, ConfigurationError, OutputError

TOKEN = "hf_" + "a" * 34


def emissions(model, posts):
    with torch.no_grad():
        return model.eval()(model.preprocessor(posts))


@pytest.mark.parametrize("part_size", [None, 10_000])
def test_a_model_returns_from_the_hub(hub, make_model, sample_posts, part_size):
    hub.part_size = part_size
    model = make_model()
    url = model.push_to_hub("user/name", license="mit", token=TOKEN)
    assert url.endswith(f"/user/name/commit/{hub.branches['user/name']['main']}")
    _, files = hub.files("user/name", "main")
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} < files.keys()
    assert b"license: mit" in files["README.md"]
    assert list(hub.large.values()) == [files["model.safetensors"]]
    assert (len(hub.parts) > 1) == (part_size is not None)
    loaded = mner.load("user/name", token=False)
    assert torch.equal(emissions(loaded.model, sample_posts), emissions(model, sample_posts))


def test_a_revision_is_another_model(hub, make_model, sample_posts):
    first, second = make_model(seed=1), make_model(seed=2)
    first.push_to_hub("user/name", token=TOKEN)
    commit = hub.branches["user/name"]["main"]
    second.push_to_hub("user/name", token=TOKEN)
    make_model(seed=3).push_to_hub("user/name", revision="trial", token=TOKEN)
    for revision, model in ((commit, first), ("main", second), (None, second), ("trial", make_model(seed=3))):
        loaded = mner.load_model("user/name", revision=revision, token=False)
        assert torch.equal(emissions(loaded, sample_posts), emissions(model, sample_posts))
    with pytest.raises(CheckpointError, match=r"user/name has no revision 'nothing'"):
        mner.load("user/name", revision="nothing", token=False)


def test_a_private_model_needs_its_token(hub, make_model):
    make_model().push_to_hub("user/secret", private=True, token=TOKEN)
    assert hub.private == {"user/secret"}
    with pytest.raises(CheckpointError, match=r"no such repository or it is private; check the name; log in"):
        mner.load("user/secret", token=False)
    assert mner.load("user/secret", token=TOKEN).predict("Oslo") is not None


def test_code_is_not_even_downloaded_unless_it_is_trusted(hub, make_model):
    make_model().push_to_hub("user/name", token=TOKEN)
    hub.commit("user/name", "main", {"evil.py": b"raise SystemExit('executed')", "weights.ckpt": b"1"})
    mner.load("user/name", token=False)
    assert not [request for request in hub.requests if "evil" in request or "weights.ckpt" in request]


def test_what_was_downloaded_is_there_without_a_network(hub, make_model, monkeypatch):
    make_model().push_to_hub("user/name", token=TOKEN)
    mner.load("user/name", token=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert mner.load("user/name", token=False).predict("Oslo") is not None
    with pytest.raises(CheckpointError, match=r"no checkpoint at user/other; .* not in the cache, and the hub is off"):
        mner.load("user/other", token=False)


def test_a_path_takes_precedence(hub, make_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_model().save_pretrained("user/name")
    assert mner.load("user/name").predict("Oslo") is not None
    assert not hub.requests
    with pytest.raises(ConfigurationError, match=r"user/name is a path, which has no revisions"):
        mner.load("user/name", revision="main")
    with pytest.raises(CheckpointError, match=r"no checkpoint at runs/best.ckpt"):
        mner.load("runs/best.ckpt")
    assert not hub.requests


@pytest.mark.parametrize("name", ["name", "a/b/c", "../name", "user/na me", "", "/user/name"])
def test_a_name_that_is_no_repository(make_model, name):
    with pytest.raises(ConfigurationError, match=r"expected the name of a repository, user/name, got"):
        make_model().push_to_hub(name)


def test_a_hub_that_is_not_there(hub, make_model, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(CheckpointError, match=r"no checkpoint at user/name; .* offline or not reachable"):
        mner.load("user/name", token=False)
    with pytest.raises(OutputError, match=r"cannot upload to user/name \(Connect"):
        make_model().push_to_hub("user/name", token=TOKEN)
