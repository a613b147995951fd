"""Faults: commands are killed or told to stop at random moments, run on a full disk, run twice at once, then repeated.

python benchmarks/faults.py --kills 5   (as root the full disk too: it mounts a small tmpfs)

Signals take turns: SIGKILL, then SIGTERM, each to the command with its children, then to the command alone. Results
are compared line by line with those of an undisturbed run: predictions (``fit``, ``tag``), weights and scores
(``fit``), captions, stored image features (``cache``), the cells of a grid (``experiment``), figures and their numbers
(``attend``). ``lost`` counts lines that are missing at the end, ``doubled`` lines that are duplicated or differ from
the undisturbed run's, and ``damaged`` files that could not be read after a fault. All three should be 0.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, product
from pathlib import Path

import lmdb
import torch
from PIL import Image

from mner.components import to_config
from mner.contexts import UpDown
from mner.demo import generate_demo_posts
from mner.fusion import CoAttention
from mner.labels import labels_for
from mner.testing import TinyGrid, tiny_text_encoder
from mner.vision import Grid

COMMANDS = ("fit", "cache", "caption", "experiment", "tag", "tag with Ray", "attend")
SIGNALS = tuple(product((signal.SIGKILL, signal.SIGTERM), (os.killpg, os.kill)))
MAX_REPEATS = 10
QUIET = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}


@dataclass
class Job:
    """A command that writes into a folder, and its result.

    Args:
        command: The words after ``mner``, given the folder.
        content: The lines of the result in the folder, none where there is no result yet.
    """

    command: Callable[[Path], list[str]]
    content: Callable[[Path], list[str]]


@dataclass
class Tally:
    """The outcome of a command under faults."""

    runs: int = 0
    kills: int = 0
    full: str = ""
    twice: str = ""
    lost: int = 0
    doubled: int = 0
    damaged: list[str] = field(default_factory=list)


def main() -> None:
    """Run the faults and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--commands", nargs="+", choices=COMMANDS, default=COMMANDS)
    options.add_argument("--kills", type=int, default=5, help="kills per command (default: %(default)s)")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(table(run_faults(Path(folder), given.commands, given.kills, given.seed)))


def run_faults(folder: Path, commands: Sequence[str], kills: int, seed: int = 0) -> dict[str, Tally]:
    """Run commands under faults.

    Args:
        folder: An empty folder.
        commands: Some of :data:`COMMANDS`.
        kills: Kills per command.
        seed: Seed of the moments at which they are killed.
    """
    jobs = make_jobs(folder)
    choose = random.Random(seed)
    tallies = {}
    for name in commands:
        job, tally = jobs[name], Tally()
        quiet = folder / f"{name}_undisturbed"
        begin, seconds = undisturbed(job, quiet)
        expected = job.content(quiet)
        assert expected, f"{name} left no result"
        delays = (choose.uniform(begin, 0.95 * seconds) for _ in count())
        killed(job, folder / f"{name}_killed", expected, tally, kills, delays)
        twice(job, folder / f"{name}_twice", expected, tally)
        full_disk(job, folder / f"{name}_full", expected, tally, sum(map(disk_space, quiet.rglob("*"))) // 2)
        tallies[name] = tally
        print(f"{name}: {tally}", file=sys.stderr, flush=True)
    return tallies


def table(tallies: dict[str, Tally]) -> str:
    """Format the counts as a Markdown table."""
    lines = ["| command | runs | kills | full disk | two at once | lost | doubled | damaged |", "|---" * 8 + "|"]
    for name, each in tallies.items():
        cells = [f"`{name}`", each.runs, each.kills, each.full, each.twice, each.lost, each.doubled, len(each.damaged)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def undisturbed(job: Job, folder: Path) -> tuple[float, float]:
    """Run a command to its end; return the times at which it first wrote a file and ended."""
    start, begin = time.monotonic(), None
    process = begun(job, folder)
    while process.poll() is None:
        begin = begin or (time.monotonic() - start if any(folder.rglob("*")) else None)
        time.sleep(0.02)
    said = process.communicate()[1]
    assert process.returncode == 0, said
    return begin or 0.0, time.monotonic() - start


def killed(job: Job, folder: Path, expected: list[str], tally: Tally, kills: int, delays: Iterator[float]) -> None:
    """Send a command each of the signals in turn, after each delay; then repeat it to the end.

    Raises:
        AssertionError: A command that a signal stopped says that it succeeded.
    """
    while tally.kills < kills:
        process = begun(job, folder)
        tally.runs += 1
        try:
            process.wait(next(delays))
        except subprocess.TimeoutExpired:
            sent, send = SIGNALS[tally.kills % len(SIGNALS)]
            send(process.pid, sent)
            tally.kills += 1
        said = process.communicate()[1]
        tally.damaged += damaged(folder)
        # It ended before the signal, so neither it nor a training that outlived it is left to kill.
        if process.returncode == 0:
            assert len(job.content(folder)) >= len(expected), f"a stopped command says that it succeeded: {said}"
            compare(job, folder, expected, tally)
            shutil.rmtree(folder)
    finish(job, folder, expected, tally)


def twice(job: Job, folder: Path, expected: list[str], tally: Tally) -> None:
    """Start a command twice at once; one of the two may be refused, in one line."""
    processes = [begun(job, folder) for _ in range(2)]
    said = [process.communicate()[1] for process in processes]
    tally.runs += 2
    codes = sorted(process.returncode for process in processes)
    errors = [line for each in said for line in each.splitlines() if ": error: " in line]
    outcome = {(0, 0): "both ended", (0, 1): "one refused"}.get((codes[0], codes[1]), f"exit {codes}")
    tally.twice = outcome if codes == [0, 0] or len(errors) == 1 else f"{outcome}, {len(errors)} errors"
    tally.damaged += damaged(folder)
    finish(job, folder, expected, tally)


def full_disk(job: Job, folder: Path, expected: list[str], tally: Tally, capacity: int) -> None:
    """Run a command on a disk with room for half of its files; then make room and repeat it."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={max(capacity, 4096)}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        tally.full = "skipped: mounting needs root"
        return
    try:
        process = begun(job, folder)
        said = process.communicate()[1]
        tally.runs += 1
        named = "no space left" in said.lower() or "log.txt" in said
        tally.full = f"exit {process.returncode}, {'said' if named and 'Traceback' not in said else said[-500:]}"
        tally.damaged += damaged(folder)
        subprocess.run(["mount", "-o", "remount,size=256m", str(folder)], check=True)
        finish(job, folder, expected, tally)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def finish(job: Job, folder: Path, expected: list[str], tally: Tally) -> None:
    """Repeat a command until its result is complete, and compare it."""
    for _ in range(MAX_REPEATS):
        process = begun(job, folder)
        said = process.communicate()[1]
        tally.runs += 1
        if process.returncode == 0 and len(job.content(folder)) >= len(expected):
            break
    else:
        print(said, file=sys.stderr)
    tally.damaged += damaged(folder)
    compare(job, folder, expected, tally)


def compare(job: Job, folder: Path, expected: list[str], tally: Tally) -> None:
    """Count the lines that are missing, and those that should not be there."""
    found, wanted = Counter(job.content(folder)), Counter(expected)
    tally.lost += sum((wanted - found).values())
    tally.doubled += sum((found - wanted).values())


def begun(job: Job, folder: Path) -> subprocess.Popen[str]:
    """Start a command in a process group of its own."""
    folder.mkdir(exist_ok=True)
    words = [sys.executable, "-m", "mner", *job.command(folder)]
    return subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", start_new_session=True
    )


def damaged(folder: Path) -> Iterator[str]:
    """Yield the files under their final names that cannot be read, each with the reason."""
    for path in folder.rglob("*"):
        if (error := _unreadable(path)) is not None:
            yield f"{path.relative_to(folder)}: {error!r:.100}"


def _unreadable(path: Path) -> Exception | None:
    try:
        if path.suffix in (".json", ".jsonl"):
            text = path.read_text(encoding="utf-8")
            for part in text.splitlines() if path.suffix == ".jsonl" else [text]:
                json.loads(part)
            assert text.endswith("\n"), "no line end"
        elif path.suffix == ".ckpt":
            torch.load(path, map_location="cpu", weights_only=True)
        elif path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
    except FileNotFoundError:  # removed meanwhile by a training that outlived its runner
        return None
    except Exception as error:
        return error
    return None


def disk_space(path: Path) -> int:
    """Return the bytes that a file occupies on the disk, 0 for a folder."""
    return 512 * path.stat().st_blocks if path.is_file() else 0


def make_jobs(folder: Path) -> dict[str, Job]:
    """Write tiny data sets, configs and models, and return the commands that use them."""
    data = folder / "data"
    generate_demo_posts(60, folder=data)
    torch.manual_seed(0)
    model = {
        "class_path": "Concatenation",
        "init_args": {
            "text_encoder": to_config(tiny_text_encoder()),
            "image_encoder": to_config(TinyGrid(frozen=True)),
        },
    }
    dataset = {"class_path": "DemoPosts", "init_args": {"size": 60, "root": str(data), "batch_size": 4}}
    config = folder / "config.json"
    trainer = {"max_epochs": 8, **QUIET}
    config.write_text(
        json.dumps({"model": model, "data": dataset, "trainer": trainer, "seed_everything": 1}), encoding="utf-8"
    )
    grid = folder / "grid.json"
    part = {"configs": [str(config)], "options": {"trainer.max_epochs": 1}}
    grid.write_text(json.dumps({"models": {"tiny": part}, "data": {"demo": {}}, "seeds": [1, 2, 3]}), encoding="utf-8")
    captioner = UpDown(["dog", "cat"], Grid("resnet10t", weights=None, image_size=32), 8, 8, 8, max_length=3)
    saved = {"state_dict": captioner.state_dict()}
    captioner.on_save_checkpoint(saved)
    torch.save(saved, folder / "updown.ckpt")
    trained = folder / "trained"
    fit = ["fit", "--config", str(config), "--resume", "auto", "--run_folder"]
    subprocess.run([sys.executable, "-m", "mner", *fit, str(trained)], check=True, stdout=subprocess.DEVNULL)
    posts = folder / "posts.jsonl"
    line = '{{"id": "{}", "text": "Kevin Durant is loud in Oslo tonight"}}\n'
    posts.write_text("".join(map(line.format, range(5000))), encoding="utf-8")
    caption = ["caption", "--images", str(data / "images"), "--captioner", str(folder / "updown.ckpt")]
    on_cpu = ["--accelerator", "cpu"]
    seeing = Grid("resnet10t", weights=None, image_size=32)
    attending = CoAttention(labels=labels_for(["PER"]), text_encoder=tiny_text_encoder(), image_encoder=seeing)
    attending.save_pretrained(folder / "attending")
    attend = ["attend", str(data / "train.jsonl"), "--images", str(data / "images"), "--of", "words"]
    attend += ["--ckpt_path", str(folder / "attending"), *on_cpu, "--output"]
    tag = ["tag", str(posts), "--ckpt_path", str(trained / "best.ckpt"), "--window", "8", "--output"]
    with_ray = ["--engine", "ray", "--num_actors", "1"]
    return {
        "fit": Job(lambda to: [*fit, str(to / "run")], lambda to: trained_result(to / "run")),
        "cache": Job(
            lambda to: ["cache", "--config", str(config), "--feature_store", str(to / "features.lmdb")],
            lambda to: stored(to / "features.lmdb"),
        ),
        "caption": Job(
            lambda to: [*caption, *on_cpu, "--batch_size", "1", "--output", str(to / "captions.jsonl")],
            lambda to: lines(to / "captions.jsonl"),
        ),
        "experiment": Job(
            lambda to: ["experiment", "--config", str(grid), "--run_folder", str(to)],
            lambda to: cells(to / "results.jsonl"),
        ),
        "tag": Job(lambda to: [*tag, str(to / "tagged.jsonl"), *on_cpu], lambda to: lines(to / "tagged.jsonl")),
        "tag with Ray": Job(
            lambda to: [*tag, str(to / "tagged"), *with_ray],
            lambda to: [line for part in sorted((to / "tagged").glob("part-*.jsonl")) for line in lines(part)],
        ),
        "attend": Job(lambda to: [*attend, str(to / "figures")], lambda to: digests(to / "figures")),
    }


def lines(path: Path) -> list[str]:
    """Return the lines of a file, none if it does not exist."""
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def trained_result(run: Path) -> list[str]:
    """Return the predictions, scores and digests of the best weights of a finished training."""
    predictions = lines(run / "predictions.jsonl")
    if not predictions or not (run / "metrics.json").exists():
        return []
    weights = torch.load(run / "best.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    digest = [f"{name} {hashlib.sha256(each.numpy().tobytes()).hexdigest()}" for name, each in weights.items()]
    return [*predictions, *lines(run / "metrics.json"), *digest]


def cells(path: Path) -> list[str]:
    """Return the finished cells of a results file, with their scores."""
    results = map(json.loads, lines(path))
    return [f"{each['seed']} {each['metrics']['f1']}" for each in results if each["status"] == "finished"]


def digests(folder: Path) -> list[str]:
    """Return the names and digests of the files in a folder."""
    files = [*folder.glob("*.json"), *folder.glob("*.png")]
    return [f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files]


def stored(path: Path) -> list[str]:
    """Return the keys and digests of the values of an LMDB file."""
    if not path.exists():
        return []
    store = lmdb.open(str(path), subdir=path.is_dir(), readonly=True, lock=False)
    with store, store.begin() as transaction:
        return [f"{key!r} {hashlib.sha256(value).hexdigest()}" for key, value in transaction.cursor()]


if __name__ == "__main__":
    main()
