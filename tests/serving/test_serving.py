"""The service as its clients see it: answers, refusals, limits, counters."""

import base64
import io
import re
import socket
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

pytest.importorskip("fastapi")

from serving_client import GatedTagger, running

from mner.errors import ConfigurationError
from mner.fusion import CoAttention
from mner.inference.tagger import Tagger
from mner.serving.limits import Limits
from mner.testing import TinyGrid

TEXT = "Kevin Durant is in Oslo"


def image_bytes(side=16, colour="red", format="PNG"):
    file = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(file, format)
    return file.getvalue()


def spans(record):
    return [(entity["type"], entity["start"], entity["end"]) for entity in record["predicted"]]


def test_the_answer_is_that_of_the_tagger(client, served_tagger):
    expected = [entity.span for entity in served_tagger.predict(TEXT)]
    status, record = client.tag({"text": TEXT})
    assert (status, spans(record)) == (200, expected)
    assert record["text"] == TEXT
    assert record["predicted"][0]["characters"] == [0, 12]
    assert set(record) == {"words", "text", "offsets", "predicted"}
    assert client.tag({"words": TEXT.split()})[1]["predicted"][0]["text"] == "Kevin Durant"
    status, several = client.tag({"posts": [{"text": TEXT}, {"text": "in Oslo"}]})
    assert [spans(each) for each in several["posts"]] == [expected, [("LOC", 1, 2)]]
    assert spans(client.form({"text": TEXT})[1]) == expected


def test_many_clients_get_their_own_answers(client, served_tagger):
    texts = [f"in Oslo {'a ' * (index % 7)}with Kevin Durant" for index in range(60)]
    before = client.service.batcher.batches
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda text: client.tag({"text": text}), texts))
    for text, (status, record) in zip(texts, found, strict=True):
        assert (status, record["text"]) == (200, text)
        assert spans(record) == [entity.span for entity in served_tagger.predict(text)]
    assert client.service.batcher.batches - before < 60


@pytest.mark.parametrize(
    ("record", "status", "said"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff", 400, "not JSON"),
        (b"[" * 5000, 400, "not JSON"),
        (b'{"text": NaN}', 400, "not JSON"),
        (b'{"text": "a", "text": "b"}', 400, "occurs twice"),
        (b"[]", 422, "the body: expected an object"),
        ({}, 422, "expected text or words"),
        ({"text": "a", "words": ["a"]}, 422, "expected text or words, and not both"),
        ({"text": 3}, 422, "text: Input should be a valid string"),
        ({"words": "abc"}, 422, "words: Input should be a valid list"),
        ({"words": ["a", None]}, 422, "words.1: Input should be a valid string"),
        ({"text": "a", "image": "/etc/passwd"}, 422, "unknown field image"),
        ({"text": "a", "image_base64": "/etc/passwd!"}, 422, "image_base64 is not base64"),
        ({"text": "a", "contexts": {"caption": "b"}}, 400, "not trained with the contexts caption"),
        ({"text": "a", "contexts": {"caption": 3}}, 422, "contexts.caption: Input should be a valid string"),
        ({"text": "a" * 101}, 413, "expected at most 100 characters in the text, got 101"),
        (
            {"text": "a", "contexts": {"caption": "b" * 101}},
            413,
            "expected at most 100 characters in the contexts, got 101",
        ),
        ({"posts": []}, 422, "expected 1 to 3 posts, got 0"),
        ({"posts": [{"text": "a"}] * 4}, 422, "expected 1 to 3 posts, got 4"),
        ({"posts": [{"text": "a"}], "text": "b"}, 422, "unknown field text"),
        ({"text": "a", "image_url": "http://127.0.0.1/a.png"}, 403, "downloads no images"),
        ({"text": "a" * 300_000}, 413, "the request has more than 200,000 bytes"),
    ],
)
def test_a_bad_request_is_refused_with_the_reason(client, record, status, said):
    found, answer = client.tag(record)
    assert (found, set(answer)) == (status, {"error"})
    assert said in answer["error"]
    assert "Traceback" not in answer["error"]


def test_strange_text_is_tagged(client):
    for text in ("", "\x00\x1b[2J", "\u202e", "\U0001f600" * 50, "a\ud83d"):
        status, record = client.tag({"text": text})
        assert status == 200, record
    assert client.tag(b'{"text": "a\\ud83d"}')[1]["text"] == "a\ufffd"


def test_other_methods_types_and_paths(client):
    assert client.send("POST", "/tag", b"{}", {"Content-Type": "text/plain"})[0] == 415
    assert client.send("POST", "/tag", b"{}")[1] == {
        "error": "expected application/json or multipart/form-data, got no content type"
    }
    assert client.send("GET", "/tag") == (405, {"error": "Method Not Allowed"})
    for path in ("/nothing", "/../../etc/passwd", "/tag/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd"):
        assert client.send("GET", path) == (404, {"error": "Not Found"})


@pytest.mark.parametrize(
    ("fields", "files", "said"),
    [
        ({"text": "a", "image": "/etc/passwd"}, [], "expected texts, and files named image only"),
        ({}, [("text", b"a")], "expected texts, and files named image only"),
        ({"text": "a", "contexts": "{"}, [], "contexts and threshold are JSON: invalid JSON"),
        ({"text": "a", "contexts": "[1]"}, [], "contexts: expected an object"),
        ({"text": "a", "path": "/etc/passwd"}, [], "unknown field path"),
        ({"text": "a"}, [("image", b"a"), ("second", b"b")], "files named image only"),
        ({"text": "a"}, [("image", b"a")] * 17, "Too many files"),
        ({"text": "a", "image_base64": "YQ=="}, [("image", b"a")], "got both"),
        (
            {'text"\r\n\r\na\r\n--X\r\nContent-Disposition: form-data; name="text': "b"},
            [],
            "every field but image once",
        ),
    ],
)
def test_a_bad_form_is_refused(client, fields, files, said):
    status, answer = client.form(fields, files)
    assert 400 <= status < 500
    assert said in answer["error"]


def test_a_body_without_length_is_limited_too(client):
    with socket.create_connection(("127.0.0.1", client.port), timeout=60) as connection:
        head = "POST /tag HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        answer = b""
        try:
            for _ in range(30):
                connection.sendall(b"2710\r\n" + b"a" * 10_000 + b"\r\n")
            while received := connection.recv(10_000):
                answer += received
        except OSError:  # the server has closed the connection
            answer += connection.recv(10_000)
    assert b" 413 " in answer
    assert b"more than 200,000 bytes" in answer


def test_health_readiness_metrics_and_openapi(client):
    client.tag({"text": TEXT})
    client.tag({})
    client.tag({"text": "a" * 300_000})
    assert client.send("GET", "/health")[1]["status"] == "ok"
    assert client.send("GET", "/ready") == (200, {"status": "ready"})
    _, text = client.send("GET", "/metrics")
    values = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}
    assert values['mner_requests_total{status="200"}'] >= 1
    assert values['mner_requests_total{status="422"}'] >= 1
    assert values['mner_requests_total{status="413"}'] >= 1
    assert values['mner_request_seconds_bucket{le="+Inf"}'] == values["mner_request_seconds_count"]
    assert values["mner_waiting_posts"] == 0
    assert values["mner_batches_total"] >= 1
    assert "# TYPE mner_batches_total counter" in text
    _, schema = client.send("GET", "/openapi.json")
    body = schema["paths"]["/tag"]["post"]["requestBody"]["content"]
    assert set(body) == {"application/json", "multipart/form-data"}
    fields = set(body["application/json"]["schema"]["anyOf"][0]["properties"])
    assert set(body["multipart/form-data"]["schema"]["properties"]) == fields - {"words", "image_base64"} | {"image"}
    answers = schema["paths"]["/tag"]["post"]["responses"]
    status, answer = client.tag(body["application/json"]["example"])
    assert status == 200
    assert set(answer) == set(answers["200"]["content"]["application/json"]["example"])
    assert {"400", "413", "422", "503"} < set(answers)


def test_the_page_of_the_schema_loads_nothing_from_elsewhere(client):
    status, page = client.send("GET", "/docs")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert status == 200
    assert len(loaded) == 3  # script, style, icon
    for address in loaded:
        assert address.startswith("/")
        with urllib.request.urlopen(f"http://127.0.0.1:{client.port}{address}", timeout=60) as response:
            assert response.status == 200
    for path in ("/../core.py", "/%2e%2e/core.py", "/..%2fcore.py"):
        assert client.send("GET", f"{loaded[0].rpartition('/')[0]}{path}")[0] == 404


def test_images_are_read_from_requests_and_removed(make_model):
    tagger = Tagger(make_model(CoAttention, image_encoder=TinyGrid()))
    image = image_bytes()
    expected = tagger.predict("in Oslo", image=image)
    with running(tagger, limits={"max_pixels": 10_000}) as client:
        encoded = base64.b64encode(image).decode()
        answers = [
            client.tag({"text": "in Oslo", "image_base64": encoded}),
            client.tag({"text": "in Oslo", "image_base64": f"data:image/png;base64,{encoded}"}),
            client.form({"text": "in Oslo"}, [("image", image)]),
        ]
        for status, record in answers:
            assert status == 200
            assert spans(record) == [entity.span for entity in expected]
            assert [entity["confidence"] for entity in record["predicted"]] == pytest.approx(
                [entity.confidence for entity in expected], abs=1e-5
            )
            assert "image" not in record
        both = [image, image_bytes(30)]
        expected = tagger.predict("in Oslo", image=both)
        for status, record in (
            client.tag({"text": "in Oslo", "image_base64": [base64.b64encode(each).decode() for each in both]}),
            client.form({"text": "in Oslo"}, [("image", each) for each in both]),
        ):
            assert (status, "images" in record) == (200, False)
            assert [entity["confidence"] for entity in record["predicted"]] == pytest.approx(
                [entity.confidence for entity in expected], abs=1e-5
            )
        assert client.tag({"text": "in Oslo", "image_base64": [encoded] * 17})[0] == 422
        for content, said in (
            (b"not an image", "the image: not an image"),
            (image_bytes(200), "200x200 pixels, enormous: more than 10,000"),
            (image[:40], "the image: "),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n", "the image: "),
        ):
            status, answer = client.form({"text": "in Oslo"}, [("image", content)])
            assert (status, said in answer["error"]) == (400, True), answer
            assert "/tmp" not in answer["error"]
        from pathlib import Path

        assert not list(Path(client.service._folder.name).iterdir())


def test_an_image_that_the_model_ignores_is_mentioned(client):
    status, record = client.form({"text": TEXT}, [("image", image_bytes())])
    assert (status, record["warnings"]) == (200, ["the model does not use images; the image was ignored"])


def test_a_full_queue_and_a_slow_model(served_tagger):
    tagger = GatedTagger(served_tagger.model)
    with running(tagger, limits={"max_waiting": 2, "max_seconds": 1.0}, batch_size=1) as client:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: client.tag({"text": TEXT}), range(8)))
        assert {status for status, _ in found} == {503, 504}
        assert any("no answer within 1 seconds" in answer["error"] for _, answer in found)
        assert any("too many " in answer["error"] for _, answer in found)
        tagger.may_go.set()
        for _ in range(100):
            if client.send("GET", "/ready")[0] == 200 and client.service.batcher.waiting == 0:
                break
            time.sleep(0.05)
        assert client.tag({"text": TEXT})[0] == 200


def test_a_body_that_does_not_arrive(served_tagger):
    head = "POST /tag HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    with (
        running(served_tagger, limits={"max_seconds": 0.5}) as client,
        socket.create_connection(("127.0.0.1", client.port), timeout=60) as connection,
    ):
        connection.sendall(head.encode())
        assert b" 408 " in connection.recv(10_000)


def test_a_client_that_disconnects_is_no_error_of_the_server(client, caplog):
    head = "POST /tag HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", client.port), timeout=60) as connection:
        connection.sendall(head.encode())
    for _ in range(100):
        counters = client.send("GET", "/metrics")[1]
        if 'status="499"' in counters:
            break
        time.sleep(0.1)
    assert 'status="499"} 1' in counters
    assert 'status="500"' not in counters
    assert "ClientDisconnect" not in caplog.text


def test_an_unexpected_error_is_not_shown(served_tagger):
    class Broken(Tagger):
        def predict_batch(self, posts, batch_size=32):
            raise RuntimeError("secret of the server")

    with running(Broken(served_tagger.model)) as client:
        assert client.tag({"text": TEXT}) == (500, {"error": "internal error"})


@pytest.mark.parametrize("name", ["max_posts", "max_seconds"])
def test_limits_are_positive(name):
    with pytest.raises(ConfigurationError, match=f"expected {name} greater than 0, got 0"):
        Limits(**{name: 0})


@pytest.mark.parametrize("name", ["text", "contexts"])
def test_a_field_that_is_not_utf8_is_refused(client, name):
    fields = {"text": "in Ourem", name: "in Our\u00e9m".encode("latin-1")}
    assert client.form(fields) == (400, {"error": f"the field {name} is not in UTF-8"})
    assert client.form({"text": "in Our\u00e9m \U0001f600"})[0] == 200
