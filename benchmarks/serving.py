"""Load test of ``mner serve`` on the loopback interface: requests per second, latency, loss and memory.

python benchmarks/serving.py --ckpt_path runs/0/best.ckpt --requests 1000 --clients 1 8 32
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import signal
import subprocess
import sys
import threading
import time
from itertools import count
from pathlib import Path

import numpy as np

WORDS = ("so", "proud", "of", "Serena", "in", "Oslo", "with", "Kevin", "Durant", "and", "Nike", "again", "today")


def memory(pid: int) -> float:
    """Resident memory of a process in MB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))[1]) / 1024


def load(port: int, clients: int, requests: int) -> tuple[list[float], int, float]:
    """Send requests from several clients, each on one connection; return latencies, failures and the time."""
    numbers, latencies, failures, lock = count(), [], [], threading.Lock()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while (number := next(numbers)) < requests:
            words = [WORDS[(number + place) % len(WORDS)] for place in range(4 + number % 12)]
            body = json.dumps({"words": words})
            start = time.perf_counter()
            connection.request("POST", "/tag", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
            passed = time.perf_counter() - start
            with lock:
                latencies.append(passed)
                if response.status != 200 or answer["words"] != words:
                    failures.append(number)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies, len(failures) + requests - len(latencies), time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ckpt_path", required=True)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    options = parser.parse_args()
    columns = ("batching", "clients", "requests/s", "p50 ms", "p95 ms", "p99 ms", "lost", "MB before, after")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for batch_size in (1, 32):
        command = [sys.executable, "-m", "mner", "serve", "--ckpt_path", options.ckpt_path, "--port", "0"]
        server = subprocess.Popen([*command, "--batch_size", str(batch_size)], stdout=subprocess.PIPE, encoding="utf-8")
        port = int(re.search(r":(\d+)$", server.stdout.readline())[1])
        load(port, 2, 50)
        for clients in options.clients:
            before = memory(server.pid)
            latencies, lost, seconds = load(port, clients, options.requests)
            p50, p95, p99 = (1000 * value for value in np.percentile(latencies, (50, 95, 99)))
            print(
                f"| {'on' if batch_size > 1 else 'off'} | {clients} | {options.requests / seconds:.1f} | {p50:.1f} | "
                f"{p95:.1f} | {p99:.1f} | {lost} | {before:.0f}, {memory(server.pid):.0f} |",
                flush=True,
            )
        server.send_signal(signal.SIGTERM)
        server.wait()


if __name__ == "__main__":
    main()
