"""An interrupted ``mner tag`` loses and doubles nothing, in one process and on Ray."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mner.cli import main
from mner.cli.tag import parser
from mner.cli.tag_output import tagging_key

CHUNK = 6  # two batches of three


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def command(trained_run):
    """Words of a command that tags 20 posts and two bad lines in chunks of six."""
    posts = [{"id": f"{index}", "text": f"Kevin Durant in Oslo {'again ' * (index % 5)}"} for index in range(20)]
    lines = [json.dumps(post) for post in posts]
    lines[7:7] = ["{"]
    lines[15:15] = ['{"id": 3}']
    Path("posts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = {"ckpt_path": trained_run / "best.ckpt", "batch_size": 3, "window": 2, "accelerator": "cpu"}
    return ["tag", "posts.jsonl", *(word for name, value in options.items() for word in (f"--{name}", f"{value}"))]


def unfinished(words, name):
    key = tagging_key(parser().parse_args([*words[1:], "--output", name]))
    return Path(f".{name}.{key}.unfinished")


def test_a_file_is_continued_from_wherever_it_was_cut(command, capsys):
    assert main([*command, "--output", "whole.jsonl"]) == 1
    whole = Path("whole.jsonl").read_bytes()
    assert whole.count(b"\n") == 20
    random_cuts = random.Random(0).sample(range(len(whole)), 4)
    for cut in [0, len(whole), *random_cuts]:
        unfinished(command, "again.jsonl").write_bytes(whole[:cut])
        capsys.readouterr()
        assert main([*command, "--output", "again.jsonl"]) == 1
        kept = whole[:cut].count(b"\n") // CHUNK * CHUNK
        said = capsys.readouterr().err
        assert (f"resumed after {kept} posts" in said) == bool(kept)
        assert "2 lines could not be read" in said
        assert Path("again.jsonl").read_bytes() == whole
    assert sorted(each.name for each in Path().iterdir()) == ["again.jsonl", "posts.jsonl", "whole.jsonl"]


def test_other_posts_or_options_start_over(command, capsys):
    assert main([*command, "--output", "whole.jsonl"]) == 1
    whole = Path("whole.jsonl").read_bytes()
    left = unfinished(command, "again.jsonl")
    left.write_bytes(whole)
    assert main([*command, "--output", "again.jsonl", "--confidences", "false"]) == 1
    assert "resumed" not in capsys.readouterr().err
    assert b"confidence" in whole
    assert b"confidence" not in Path("again.jsonl").read_bytes()
    with Path("posts.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"text": "one more"}\n')
    assert unfinished(command, "again.jsonl") != left


def process(words):
    """The command in a process of its own, whose tagger takes a while for each chunk."""
    code = (
        "import sys, time; from mner.cli import main; from mner.inference.tagger import Tagger; tag = Tagger._tag\n"
        "def slow(self, batch): time.sleep(0.3); return tag(self, batch)\n"
        "Tagger._tag = slow; sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.DEVNULL)


@pytest.mark.slow
def test_a_killed_command_resumes(command):
    assert main([*command, "--output", "whole.jsonl"]) == 1
    left = unfinished(command, "again.jsonl")
    running = process([*command, "--output", "again.jsonl"])
    deadline = time.monotonic() + 600  # a busy machine takes minutes to start
    while (not left.exists() or not left.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not Path("again.jsonl").exists()
    assert left.stat().st_size
    assert main([*command, "--output", "again.jsonl"]) == 1
    assert Path("again.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray")
    from mner.ray_cluster import connect

    connect(num_cpus=2)
    yield ray
    ray.shutdown()


def parts(folder):
    return b"".join(path.read_bytes() for path in sorted(Path(folder).glob("part-*.jsonl")))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_writes_what_one_process_writes(command, cluster, capsys):
    """Also with finished parts of an earlier attempt, and with a worker that is killed."""
    assert main([*command, "--output", "whole.jsonl"]) == 1
    whole = Path("whole.jsonl").read_bytes()
    with_ray = [*command, "--engine", "ray", "--output", "parts", "--num_actors", "1"]
    assert main(with_ray) == 1
    assert "20 posts in 4 parts" in (said := capsys.readouterr().err)
    assert "2 lines could not be read" in said
    assert parts("parts") == whole

    first, second, *_ = sorted(Path("parts").glob("part-*.jsonl"))
    times = first.stat().st_mtime_ns
    second.unlink()
    assert main(with_ray) == 1
    assert parts("parts") == whole
    assert first.stat().st_mtime_ns == times

    assert main([*with_ray, "--confidences", "false"]) == 1
    assert "parts of other posts, options or checkpoints" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_killed_worker_costs_nothing(command, cluster, monkeypatch):
    from mner.inference import ray_tagging

    died = Path("died").absolute()  # a worker has another working directory

    class Dying(ray_tagging.PartTagger):
        def __call__(self, batch):
            if not died.exists():
                died.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__call__(batch)

    assert main([*command, "--output", "whole.jsonl"]) == 1
    monkeypatch.setattr(ray_tagging, "PartTagger", Dying)
    assert main([*command, "--engine", "ray", "--output", str(Path("parts").absolute()), "--num_actors", "1"]) == 1
    assert died.exists()
    assert parts("parts") == Path("whole.jsonl").read_bytes()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_reads_folders_of_parts_and_writes_parquet(command, cluster):
    import pyarrow as pa
    import pyarrow.parquet as pq

    posts = [{"id": f"{index}", "text": f"Kevin Durant in Oslo {'again ' * (index % 5)}"} for index in range(9)]
    Path("posts").mkdir()
    pq.write_table(pa.Table.from_pylist(posts), "posts/a.parquet")
    shutil.copy("posts.jsonl", "posts/b.jsonl")
    Path("posts/_SUCCESS").touch()
    for name in ("a.parquet", "b.jsonl"):
        assert main(["tag", f"posts/{name}", *command[2:], "--output", f"{name}.tagged"]) == int(name == "b.jsonl")
    folder = ["--output", "tables", "--output_format", "parquet"]
    assert main(["tag", "posts", *command[2:], "--engine", "ray", "--num_actors", "1", *folder]) == 1
    rows = [row for path in sorted(Path("tables").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    lines = [
        line for name in ("a.parquet", "b.jsonl") for line in Path(f"{name}.tagged").read_text("utf-8").splitlines()
    ]
    assert [row["json"] for row in rows] == lines
    assert rows[0]["predicted"][0]["text"] == json.loads(lines[0])["predicted"][0]["text"]
