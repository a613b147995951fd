"""Images from addresses: public hosts only, limited, and nothing else is reached."""

import contextlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import mner.download
from mner.download import download, is_public
from mner.errors import ImageError


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
        ),
        *(
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fe80::1%eth0",
        ),
        *("fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1", "fec0::1"),
    ],
)
def test_private_addresses(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "ftp://a.example/a", "gopher://a", "/etc/passwd", "", "http://", "http:///a", "//a/b"),
        *("http://user@a.example/a", "http://a.example:8080/a", "https://a.example:80/a", "http://a.example:x/"),
        *("http://a.example/a b", "http://a.example/\r\nX: y", "http://a.example/é", "http://[::1/a"),
    ],
)
def test_other_addresses_are_not_even_resolved(url, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("resolved"))
    with pytest.raises(ImageError, match="address"):
        download(url, 1000, 1)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://2130706433/", "http://0x7f.1/", "http://0/"],
)
def test_loopback_in_any_spelling(url, monkeypatch):
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    with pytest.raises(ImageError, match=r"leads to a private network|cannot be downloaded \(gaierror\)"):
        download(url, 1000, 1)


def test_one_private_address_among_several_is_enough(monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(ImageError, match="private network"):
        download("http://rebinding.example/", 1000, 1)


class Host(BaseHTTPRequestHandler):
    """Images of a size, a redirection, and what is missing."""

    def do_GET(self):
        self.server.hosts.append(self.headers["Host"])
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/")
            self.end_headers()
        elif self.path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", "900")
            self.end_headers()
            self.wfile.write(b"a" * 500)
        elif self.path in ("/header", "/body"):  # byte by byte
            self.send_response(200)
            self.end_headers() if self.path == "/body" else self.flush_headers()
            with contextlib.suppress(OSError):
                for _ in range(100):
                    self.wfile.write(b"a")
                    time.sleep(0.05)
        elif self.path.startswith("/size"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"a" * int(self.path.removeprefix("/size?")))
        else:
            self.send_error(404)

    def log_message(self, *_):
        """Print nothing."""


@pytest.fixture
def host(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    server.hosts = []
    monkeypatch.setitem(mner.download.PORTS, "http", server.server_port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_download_goes_to_the_address_that_was_checked(host, monkeypatch):
    resolved = []
    find = socket.getaddrinfo

    def once(name, *given, **options):
        if name == "images.example":
            resolved.append(name)
            return find("127.0.0.1", *given, **options)
        return find(name, *given, **options)

    monkeypatch.setattr(socket, "getaddrinfo", once)
    assert download("http://images.example/size?70000", 70_000, 5, lambda _: True) == b"a" * 70_000
    assert (resolved, host.hosts) == (["images.example"], ["images.example"])


def test_a_redirection_to_a_private_address_is_not_followed(host):
    with pytest.raises(ImageError, match="leads to a private network"):
        download("http://127.0.0.1/moved", 1000, 5, "127.0.0.1".__eq__, max_redirects=2)


@pytest.mark.parametrize("path", ["/header", "/body"])
def test_a_host_that_sends_byte_by_byte_ends_at_the_time_limit(host, path):
    begun = time.monotonic()
    with pytest.raises(ImageError, match="too slow"):
        download(f"http://127.0.0.1{path}", 1000, 0.4, lambda _: True)
    assert time.monotonic() - begun < 4


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/moved", "status 302"),
        ("/none", "status 404"),
        ("/size?1001", "more than 1,000 bytes"),
        ("/short", "early, 400 bytes before the end"),
    ],
)
def test_what_is_not_followed_or_too_large(host, path, said):
    with pytest.raises(ImageError, match=said):
        download(f"http://127.0.0.1{path}", 1000, 5, lambda _: True)
