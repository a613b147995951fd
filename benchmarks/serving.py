"""Load test of ``mner serve`` on the loopback interface: requests per second, latency, loss, memory and draining.

python benchmarks/serving.py --ckpt_path runs/0/best.ckpt --requests 1000 --clients 1 8 32
python benchmarks/serving.py --soak 100000

The first prints a table with and without batching. The second sends that many requests and prints the memory of the
server at the start and after each tenth; then it sends SIGTERM while requests are open. Without a checkpoint, the model
is a tiny one with random weights, which shows what the service itself costs.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import numpy as np
import psutil

from mner.fusion import TextOnly
from mner.labels import labels_for
from mner.testing import tiny_text_encoder

WORDS = ("so", "proud", "of", "Serena", "in", "Oslo", "with", "Kevin", "Durant", "and", "Nike", "again", "today")
SOAK_CLIENTS = 8
DRAINED = 32
"""Requests that are open when the signal comes."""


@contextmanager
def serving(model: str, *options: str) -> Iterator[tuple[psutil.Popen, int]]:
    """Run the service in a process of its own; yield it and its port."""
    command = [sys.executable, "-m", "mner", "serve", "--ckpt_path", model, "--port", "0", *options]
    server = psutil.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
    try:
        yield server, int(re.search(r":(\d+)$", server.stdout.readline())[1])
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
        server.wait()


def memory(process: psutil.Process) -> float:
    """Resident memory in MB."""
    return process.memory_info().rss / 2**20


def processor_time(process: psutil.Process) -> float:
    """Seconds of all threads, which other work on the machine hardly changes."""
    times = process.cpu_times()
    return times.user + times.system


def load(port: int, clients: int, requests: int) -> tuple[list[float], int, float]:
    """Send requests from several clients, each on one connection; return latencies, failures and the time."""
    numbers, latencies, failures, lock = count(), [], [], threading.Lock()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while (number := next(numbers)) < requests:
            words = [WORDS[(number + place) % len(WORDS)] for place in range(4 + number % 12)]
            start = time.perf_counter()
            is_answered = ask(connection, words)
            passed = time.perf_counter() - start
            with lock:
                latencies.append(passed)
                if not is_answered:
                    failures.append(number)
        connection.close()

    start = time.perf_counter()
    in_threads(clients, client)
    return latencies, len(failures) + requests - len(latencies), time.perf_counter() - start


def ask(connection: http.client.HTTPConnection, words: list[str]) -> bool:
    """Whether a post is tagged: status 200, and the words of the request."""
    connection.request("POST", "/tag", json.dumps({"words": words}), {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    return response.status == 200 and answer["words"] == words


def in_threads(number: int, work) -> None:
    """Run the same in several threads."""
    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def table(model: str, requests: int, clients: list[int]) -> None:
    """Print rates and latencies with and without batching."""
    times = ("requests/s", "p50 ms", "p95 ms", "p99 ms", "processor ms per request")
    columns = ("batching", "clients", *times, "lost", "MB before, after")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for batch_size in (1, 32):
        with serving(model, "--batch_size", str(batch_size)) as (server, port):
            load(port, 2, 50)
            for number in clients:
                before, start = memory(server), processor_time(server)
                latencies, lost, seconds = load(port, number, requests)
                p50, p95, p99 = (1000 * value for value in np.percentile(latencies, (50, 95, 99)))
                used = 1000 * (processor_time(server) - start) / requests
                print(
                    f"| {'on' if batch_size > 1 else 'off'} | {number} | {requests / seconds:.1f} | {p50:.1f} | "
                    f"{p95:.1f} | {p99:.1f} | {used:.1f} | {lost} | {before:.0f}, {memory(server):.0f} |",
                    flush=True,
                )


def soak(model: str, requests: int) -> None:
    """Print the memory of the server after each tenth of the requests, then the outcome of a signal."""
    print("| requests | lost | MB | requests/s |\n|---|---|---|---|")
    with serving(model) as (server, port):
        load(port, SOAK_CLIENTS, 100)
        print(f"| 0 | 0 | {memory(server):.1f} | |", flush=True)
        total = 0
        for part in range(1, 11):
            _, lost, seconds = load(port, SOAK_CLIENTS, requests // 10)
            total += lost
            rate = requests // 10 / seconds
            print(f"| {part * (requests // 10):,} | {total} | {memory(server):.1f} | {rate:.0f} |", flush=True)
    with serving(model, "--max_wait", "2", "--batch_size", str(2 * DRAINED)) as (server, port):
        drain(server, port)


def drain(server: psutil.Popen, port: int) -> None:
    """Send SIGTERM while requests are open."""
    answered = []

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        if ask(connection, ["in", "Oslo"]):
            answered.append(True)

    clients = threading.Thread(target=in_threads, args=(DRAINED, client))
    clients.start()
    while open_requests(port) < DRAINED:
        time.sleep(0.01)
    server.send_signal(signal.SIGTERM)
    clients.join()
    print(f"SIGTERM with {DRAINED} open requests: {len(answered)} answered, exit status {server.wait()}")


def open_requests(port: int) -> float:
    """The number of requests that have arrived and are not answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return float(re.search(r"^mner_open_requests (\S+)$", text, re.MULTILINE)[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt_path")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--soak", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = options.ckpt_path
        if model is None:
            tiny = TextOnly(labels=labels_for(["PER", "LOC", "ORG", "MISC"]), text_encoder=tiny_text_encoder())
            tiny.save_pretrained(folder)
            model = folder
        if options.soak:
            soak(model, options.soak)
        else:
            table(model, options.requests, options.clients)


if __name__ == "__main__":
    main()
