"""A stand-in for a model hub on the loopback interface, with as much of its interface as mner uses."""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import constants

PRIVATE_TOKEN = "hf_" + "a" * 34


class Hub:
    """Repositories as lists of commits; a branch is the index of its last one."""

    def __init__(self):
        self.commits = {}  # repository: [(sha, {path: bytes})]
        self.branches = {}  # repository: {branch: sha}
        self.private = set()
        self.large = {}  # what was uploaded as Git LFS has it: {SHA-256: bytes}
        self.part_size = None  # bytes of the parts in which it is uploaded; by default it is not divided
        self.parts = {}  # {address: bytes}
        self.requests = []

    def files(self, name, revision):
        """The commit and the files of a branch or commit; ``None`` if there is none."""
        sha = self.branches[name].get(revision, revision)
        return next(((found, files) for found, files in self.commits[name] if found == sha), None)

    def commit(self, name, branch, changes):
        """Add files to a branch."""
        before = self.files(name, branch)
        files = {**(before[1] if before else {}), **changes}
        sha = hashlib.sha1(f"{name} {branch} {len(self.commits[name])}".encode()).hexdigest()
        self.commits[name].append((sha, files))
        self.branches[name][branch] = sha
        return sha


class Handler(BaseHTTPRequestHandler):
    """The requests of ``create_repo``, ``create_branch``, ``upload_folder`` and ``snapshot_download``.

    Weights are uploaded by Git LFS, as to the hub: the commit names their hash only.
    """

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.respond()

    def do_HEAD(self):
        self.respond()

    def do_POST(self):
        self.respond()

    def do_PUT(self):
        self.respond()

    def respond(self):
        hub = self.server.hub
        hub.requests.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        if path == "/api/repos/create":
            given = json.loads(body)
            name = f"{given['organization']}/{given['name']}" if given.get("organization") else given["name"]
            if name not in hub.commits:
                hub.commits[name], hub.branches[name] = [], {}
                hub.commit(name, "main", {".gitattributes": b""})
                if given.get("private") or given.get("visibility") == "private":
                    hub.private.add(name)
            return self.answer({"url": f"{self.server.url}/{name}", "name": name})
        if path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if self.command == "PUT":
            hub.parts[path] = body
            if hub.part_size is None:
                hub.large[hashlib.sha256(body).hexdigest()] = body
            return self.answer({}, 200, {"ETag": path})
        if path == "/complete":
            done = json.loads(body)
            hub.large[done["oid"]] = b"".join(hub.parts[each["etag"]] for each in done["parts"])
            return self.answer({})
        if path.endswith(".git/info/lfs/objects/batch"):
            objects = [{**each, "actions": {"upload": self.upload(**each)}} for each in json.loads(body)["objects"]]
            return self.answer({"transfer": "multipart" if hub.part_size else "basic", "objects": objects})
        match = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(\w+)/([^/]+)(/.*)?", path) or re.fullmatch(
            r"/([^/]+/[^/]+)/(resolve)/([^/]+)/(.+)", path
        )
        name = match[1] if match else path.removeprefix("/api/models/")
        allowed = name not in hub.private or PRIVATE_TOKEN in (self.headers["Authorization"] or "")
        if name not in hub.commits or not allowed:
            return self.answer({"error": "Repository not found"}, 401, {"X-Error-Code": "RepoNotFound"})
        kind, revision = (match[2], match[3]) if match else ("revision", "main")
        if kind == "branch":
            hub.branches[name][revision] = hub.branches[name]["main"]
            return self.answer({})
        found = hub.files(name, revision)
        if found is None:
            return self.answer({"error": "Revision not found"}, 404, {"X-Error-Code": "RevisionNotFound"})
        sha, files = found
        if kind == "revision":
            siblings = [{"rfilename": path} for path in files]
            return self.answer({"id": name, "sha": sha, "siblings": siblings, "private": name in hub.private})
        if kind == "tree":
            entries = [
                {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for path, content in files.items()
            ]
            return self.answer(entries)
        if kind == "preupload":
            sent = [
                {**each, "uploadMode": "lfs" if each["path"].endswith(".safetensors") else "regular"}
                for each in json.loads(body)["files"]
            ]
            return self.answer({"files": [{**each, "shouldIgnore": False} for each in sent]})
        if kind == "commit":
            lines = [json.loads(line) for line in body.splitlines()]
            changes = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                if line["key"] == "file"
                else hub.large[line["value"]["oid"]]
                for line in lines
                if line["key"] in ("file", "lfsFile")
            }
            sha = hub.commit(name, revision, changes)
            return self.answer({"commitUrl": f"{self.server.url}/{name}/commit/{sha}", "commitOid": sha})
        if kind == "resolve" and match[4] in files:
            content = files[match[4]]
            headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": sha}
            return self.answer(content, 200, headers)
        return self.answer({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})

    def upload(self, oid, size, **_):
        """Where a large file is uploaded to, whole or in parts."""
        address, part_size = f"{self.server.url}/large/{oid}", self.server.hub.part_size
        if part_size is None:
            return {"href": address}
        parts = {str(number): f"{address}/{number}" for number in range(1, -(-size // part_size) + 1)}
        return {"href": f"{self.server.url}/complete", "header": {"chunk_size": str(part_size), **parts}}

    def answer(self, content, status=200, headers=()):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **dict(headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        """Print nothing."""


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The stand-in, as the hub of ``huggingface_hub``, with an empty cache."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.hub, server.url = Hub(), f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, server.url)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub_cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # whose protocol the stand-in does not speak
    monkeypatch.setenv("HF_TOKEN", "")
    yield server.hub
    server.shutdown()
    server.server_close()
    thread.join()
