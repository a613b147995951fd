"""A real HTTP server on this machine that speaks chat completions, and behaves as badly as a test asks it to."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


def completion(text, prompt_tokens=10, completion_tokens=5, finish_reason="stop"):
    """A chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
    return {"object": "chat.completion", "choices": [choice], "usage": usage}


class ChatServer:
    """Answers with what ``respond`` returns, and records the requests.

    ``respond(body, number)`` returns a text, a JSON object, bytes, or a tuple of status, content and headers; it is
    called with the request and how many requests came before. It may sleep or raise; ``ConnectionError`` closes the
    connection.
    """

    def __init__(self, respond=lambda body, number: '{"entities": []}'):
        self.respond = respond
        self.requests = []
        self.running = self.most_running = 0
        self.times = []
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with server._lock:
                    number = len(server.requests)
                    server.requests.append((self.path, dict(self.headers), body))
                    server.times.append(time.monotonic())
                    server.running += 1
                    server.most_running = max(server.most_running, server.running)
                try:
                    self.answer(server.respond(body, number))
                except ConnectionError:
                    self.close_connection = True
                finally:
                    with server._lock:
                        server.running -= 1

            def answer(self, answer):
                status, content, headers = answer if isinstance(answer, tuple) else (200, answer, {})
                if isinstance(content, str):
                    content = completion(content)
                content = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self):
        """Stop the server."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def chat_server():
    """A server that finds no entities."""
    server = ChatServer()
    yield server
    server.close()
