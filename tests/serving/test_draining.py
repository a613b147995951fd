"""The end of the service: every request that has arrived is answered, in time."""

import http.client
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("fastapi")

from serving_client import GatedTagger, running

TEXT = "Kevin Durant is in Oslo"
POST = "POST /tag HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


def wait_for(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_long_requests_are_answered_and_no_new_ones_are_accepted(served_tagger):
    tagger = GatedTagger(served_tagger.model)
    with running(tagger, batch_size=4) as client, ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(client.tag, {"posts": [{"text": f"{TEXT} " * 20}] * 16}) for _ in range(6)]
        wait_for(lambda: "mner_open_requests 6" in client.send("GET", "/metrics")[1])
        client.server.should_exit = True
        wait_for(lambda: client.service.is_draining and not client.server.servers[0].is_serving())
        tagger.may_go.set()
        for answer in answers:
            status, record = answer.result(30)
            assert (status, len(record["posts"])) == (200, 16)
    try:
        socket.create_connection(("127.0.0.1", client.port), timeout=5).close()
    except ConnectionRefusedError:
        return
    raise AssertionError("the port is open")


def test_a_request_on_its_way_is_answered_and_its_connection_closed(served_tagger):
    with running(served_tagger) as client:
        early = socket.create_connection(("127.0.0.1", client.port), timeout=30)
        kept = http.client.HTTPConnection("127.0.0.1", client.port, timeout=30)
        kept.request("GET", "/ready")
        assert (kept.getresponse().read(), client.service.is_ready) == (b'{"status":"ready"}', True)
        client.server.should_exit = True
        wait_for(lambda: client.service.is_draining)
        body = json.dumps({"text": TEXT})
        early.sendall(f"{POST}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        kept.request("GET", "/ready")
        response = kept.getresponse()
        assert (response.status, response.getheader("Connection")) == (503, "close")
        answer = b""
        while part := early.recv(10_000):
            answer += part
        early.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer.lower()
    assert b"Kevin Durant" in answer


def test_arriving_and_tagging_have_one_deadline(served_tagger):
    tagger = GatedTagger(served_tagger.model)
    with (
        running(tagger, limits={"max_seconds": 1.5}) as client,
        socket.create_connection(("127.0.0.1", client.port), timeout=30) as connection,
    ):
        body = json.dumps({"text": TEXT}).encode()
        start = time.monotonic()
        connection.sendall(f"{POST}Content-Length: {len(body)}\r\n\r\n".encode() + body[:5])
        time.sleep(1.2)
        connection.sendall(body[5:])
        client.server.should_exit = True  # which the deadline precedes
        assert b" 504 " in connection.recv(10_000)
        assert 1.4 < time.monotonic() - start < 2.6
        tagger.may_go.set()
