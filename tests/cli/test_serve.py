"""``mner serve`` as a process: SIGTERM answers what has arrived."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request

import pytest

from mner.cli import main


def test_wrong_options(trained_run, capsys):
    assert main(["serve", "--ckpt_path", str(trained_run / "best.ckpt"), "--batch_size", "0"]) == 1
    assert "expected --batch_size >= 1, got 0" in capsys.readouterr().err
    assert main(["serve", "--ckpt_path", str(trained_run / "best.ckpt"), "--max_wait", "-1"]) == 1
    assert "expected --max_wait >= 0, got -1.0" in capsys.readouterr().err
    assert main(["serve", "--ckpt_path", str(trained_run / "best.ckpt"), "--limits.max_posts", "0"]) == 1
    assert "expected max_posts greater than 0" in capsys.readouterr().err


def test_an_empty_host_is_not_every_interface(trained_run, capsys):
    assert main(["serve", "--ckpt_path", str(trained_run / "best.ckpt"), "--host", ""]) == 1
    assert "expected --host to be an address" in capsys.readouterr().err


def test_the_address_is_printed(trained_run, capsys, monkeypatch):
    pytest.importorskip("uvicorn")
    monkeypatch.setattr("uvicorn.Server.run", lambda _, sockets: [each.close() for each in sockets])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["serve", "--ckpt_path", str(trained_run / "best.ckpt"), "--port", "0"]) == 0
    assert re.fullmatch(r"serving \S+best\.ckpt at http://127\.0\.0\.1:\d+\n", capsys.readouterr().out)


@pytest.mark.slow
def test_a_signal_drains(trained_run):
    pytest.importorskip("uvicorn")
    command = [sys.executable, "-m", "mner", "serve", "--ckpt_path", str(trained_run / "best.ckpt"), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--max_wait", "2", "--accelerator", "cpu"], stdout=subprocess.PIPE, encoding="utf-8", env=os.environ
    )
    url = re.search(r"http://\S+", process.stdout.readline())[0]
    answers = []

    def ask():
        body = json.dumps({"text": "Kevin Durant in Oslo"}).encode()
        request = urllib.request.Request(f"{url}/tag", body, {"Content-Type": "application/json"})
        answers.append(urllib.request.urlopen(request, timeout=60).status)

    clients = [threading.Thread(target=ask) for _ in range(5)]
    for client in clients:
        client.start()
    while open_requests(url) < 5:
        pass
    process.send_signal(signal.SIGTERM)
    for client in clients:
        client.join()
    assert answers == [200] * 5
    assert process.wait(60) == 0
    process.stdout.close()


def open_requests(url):
    """The number of requests that have arrived and are not answered."""
    text = urllib.request.urlopen(f"{url}/metrics", timeout=60).read().decode()
    return float(re.search(r"^mner_open_requests (\S+)$", text, re.MULTILINE)[1])
