"""A real server on the loopback interface, in a thread, and a client for it."""

import http.client
import json
import socket
import threading
from contextlib import contextmanager

from mner.inference.tagger import Tagger
from mner.serving.limits import Limits
from mner.serving.server import DrainingServer
from mner.serving.service import Service


class Client:
    """Sends requests; returns status and body."""

    def __init__(self, port, server):
        self.port, self.server, self.service = port, server, server.service

    def send(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        is_json = "json" in (response.getheader("Content-Type") or "")
        return response.status, json.loads(content) if is_json else content.decode()

    def tag(self, record):
        body = record if isinstance(record, bytes) else json.dumps(record).encode()
        return self.send("POST", "/tag", body, {"Content-Type": "application/json"})

    def form(self, fields, files=()):
        parts = []
        for name, value in fields.items():
            content = value if isinstance(value, bytes) else value.encode()
            head = f'--X\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
            parts.append(head.encode() + content + b"\r\n")
        for name, content in files:
            head = f'--X\r\nContent-Disposition: form-data; name="{name}"; filename="../../etc/passwd"\r\n\r\n'
            parts.append(head.encode() + content + b"\r\n")
        headers = {"Content-Type": "multipart/form-data; boundary=X"}
        return self.send("POST", "/tag", b"".join([*parts, b"--X--\r\n"]), headers)


class GatedTagger(Tagger):
    """Waits for a signal before every batch."""

    def __init__(self, model):
        super().__init__(model)
        self.may_go = threading.Event()

    def predict_batch(self, posts, batch_size=32):
        self.may_go.wait(60)
        return super().predict_batch(posts, batch_size)


@contextmanager
def running(tagger, **options):
    """Serve a tagger while the block runs."""
    limits = Limits(**options.pop("limits", {}))
    service = Service(tagger, limits, **options)
    listening = socket.create_server(("127.0.0.1", 0))
    server = DrainingServer(service, log_level="critical")
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield Client(listening.getsockname()[1], server)
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
