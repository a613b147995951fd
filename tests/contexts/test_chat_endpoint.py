import base64
import gzip
import io
import json
import logging
import threading
import time
from urllib.parse import quote

import pytest
from chat_server import ChatServer, completion
from PIL import Image

pytest.importorskip("httpx")

from mner.contexts import Budget, ChatEndpoint, Question
from mner.contexts.rate_limit import RateLimit
from mner.errors import ConfigurationError, WriterError

KEY = "sk-secret-0123456789"
SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
QUESTION = Question("Find names.", "<post>\nNike in Oslo\n</post>", schema=SCHEMA)


@pytest.fixture(autouse=True)
def no_back_off(monkeypatch):
    monkeypatch.setattr("mner.contexts.chat_endpoint.random.uniform", lambda *_: 0.01)


def endpoint(server, **options):
    return ChatEndpoint(server.url, "tiny", **options)


def ask(server, question=QUESTION, **options):
    return endpoint(server, **options).ask([question])[0]


def fails_first(*failures):
    """A server whose first answers are failures."""
    return lambda body, number: failures[number] if number < len(failures) else "yes"


def test_a_request_and_its_reply(chat_server, monkeypatch):
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    chat_server.respond = lambda body, number: completion("an answer", 21, 4)
    image = Image.new("RGB", (200, 100), "red")
    question = Question("Find names.", "Nike", [image], SCHEMA)
    reply = ask(chat_server, question, api_key_variable="MY_KEY", max_image_side=50, options={"seed": 3})
    assert (reply.text, reply.prompt_tokens, reply.answer_tokens, reply.error) == ("an answer", 21, 4, None)
    assert reply.image_size == (50, 25)
    assert not reply.truncated
    ((path, headers, body),) = chat_server.requests
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert (body["model"], body["temperature"], body["max_tokens"], body["seed"]) == ("tiny", 0.0, 512, 3)
    system, user = body["messages"]
    assert system == {"role": "system", "content": "Find names."}
    picture, text = user["content"]
    assert text == {"type": "text", "text": "Nike"}
    kind, _, content = picture["image_url"]["url"].partition(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (50, 25)
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert image.size == (200, 100)


def test_no_key_is_sent_unless_named(chat_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    ask(chat_server)
    assert "Authorization" not in chat_server.requests[0][1]


@pytest.mark.parametrize(
    "failure",
    [
        (500, {"error": "oops"}, {}),
        (503, b"<html>", {}),
        (429, {"error": {"message": "slow down"}}, {"Retry-After": "0"}),
        (429, b"", {}),
        (200, b"not json", {}),
        (200, b'{"choices": []}', {}),
        (200, b'{"choices": [{"message": {"content": 5}}]}', {}),
        (200, b'{"choices": "x"}', {}),
        (200, b"[" * 100_000, {}),
        (200, b'{"choi', {"Content-Length": "1000", "Connection": "close"}),
        (200, b"\xff\xfe", {}),
    ],
    ids=lambda failure: f"{failure[0]}-{failure[1]!r:.20}",
)
def test_passing_failures_are_repeated(chat_server, failure):
    chat_server.respond = fails_first(failure, failure)
    reply = ask(chat_server, timeout=0.5 if "Connection" in failure[2] else 60.0)
    assert (reply.text, reply.error) == ("yes", None)
    assert len(chat_server.requests) == 3


def test_a_server_that_fails_for_good_is_an_error_of_the_post(chat_server):
    chat_server.respond = lambda body, number: (500, {"error": {"message": "out of memory"}}, {})
    reply = ask(chat_server, max_retries=2)
    assert reply.error == "HTTP 500: out of memory"
    assert not reply.is_final
    assert len(chat_server.requests) == 3


def test_a_refused_question_is_not_repeated(chat_server):
    chat_server.respond = lambda body, number: (400, {"error": {"message": "content filter"}}, {})
    reply = ask(chat_server, structured="none")
    assert (reply.error, reply.is_final) == ("HTTP 400: content filter", True)
    assert len(chat_server.requests) == 1


def test_a_closed_connection_and_a_dead_server(chat_server):
    def respond(body, number):
        if number == 0:
            raise ConnectionError
        return "yes"

    chat_server.respond = respond
    assert ask(chat_server).text == "yes"
    dead = ChatServer()
    dead.close()
    assert "the connection failed" in ask(dead, max_retries=1).error


@pytest.mark.parametrize(
    "start",
    [None, b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ids=["silent", "status", "header", "chunks"],
)
def test_a_slow_server_is_given_up(chat_server, start):
    def drip(self, answer):
        if start is None:
            time.sleep(10)
            return
        self.wfile.write(start)
        for _ in range(100):
            self.wfile.write(b"1\r\n \r\n" if b"chunked" in start else b"H")
            time.sleep(0.1)

    chat_server.server.RequestHandlerClass.answer = drip
    began = time.monotonic()
    assert "0.3 seconds" in ask(chat_server, timeout=0.3, max_retries=0).error
    assert time.monotonic() - began < 8


def test_an_endless_response_is_given_up(chat_server, monkeypatch):
    monkeypatch.setattr("mner.contexts.http_exchange.MAX_RESPONSE_BYTES", 1000)
    chat_server.respond = lambda body, number: b" " * 5000
    assert "longer than 1,000 bytes" in ask(chat_server, max_retries=0).error


@pytest.mark.parametrize("encodings", [1, 2])
def test_a_compressed_response_is_not_expanded(chat_server, encodings):
    content = b" " * 10**6
    for _ in range(encodings):
        content = gzip.compress(content)
    chat_server.respond = lambda body, number: (200, content, {"Content-Encoding": ", ".join(["gzip"] * encodings)})
    assert "is compressed" in ask(chat_server, max_retries=0).error
    assert chat_server.requests[0][1]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("status", "said"), [(401, "refuses the key"), (402, "no credit"), (404, "no such address or model"), (405, "/v1")]
)
def test_nothing_more_is_asked_of_the_wrong_server(chat_server, status, said):
    chat_server.respond = lambda body, number: (status, {"error": {"message": "no"}}, {})
    with pytest.raises(WriterError, match=said):
        ask(chat_server)
    assert len(chat_server.requests) == 1


def test_a_used_up_quota_is_not_waited_for(chat_server):
    chat_server.respond = lambda body, number: (429, {"error": {"code": "insufficient_quota", "message": "pay"}}, {})
    with pytest.raises(WriterError, match="no credit"):
        ask(chat_server)


def test_a_redirection_is_not_followed(chat_server):
    other = ChatServer()
    chat_server.respond = lambda body, number: (307, b"", {"Location": f"{other.url}/chat/completions"})
    with pytest.raises(WriterError, match="sends requests elsewhere"):
        ask(chat_server)
    assert other.requests == []
    other.close()


def test_the_environment_names_no_proxy(chat_server, monkeypatch):
    other = ChatServer()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, other.url)
    assert ask(chat_server).error is None
    assert other.requests == []
    other.close()


def test_a_server_without_schemas_is_asked_in_words(chat_server):
    def respond(body, number):
        return (400, {"error": "response_format is not supported"}, {}) if "response_format" in body else "{}"

    chat_server.respond = respond
    writer = endpoint(chat_server, max_retries=0)
    assert [reply.text for reply in writer.ask([QUESTION, QUESTION])] == ["{}", "{}"]
    assert ["response_format" in body for _, _, body in chat_server.requests] == [True, False, False]


def test_a_refused_schema_at_the_end_of_the_budget_is_asked_again_later(chat_server):
    chat_server.respond = fails_first((400, {"error": "no schemas"}, {}))
    writer = endpoint(chat_server)
    writer.budget = Budget(max_requests=1)
    writer.budget.start(1)
    reply = writer.ask([QUESTION])[0]
    assert "no schemas; it was not asked again, since the budget" in reply.error
    assert not reply.is_final


def test_another_refusal_does_not_end_schemas(chat_server):
    def respond(body, number):
        return (400, {"error": "too long"}, {}) if number < 2 else "{}"

    chat_server.respond = respond
    writer = endpoint(chat_server)
    assert [reply.error is None for reply in writer.ask([QUESTION, QUESTION])] == [False, True]
    assert "response_format" in chat_server.requests[-1][2]


def test_truncated_empty_and_unmetered_answers(chat_server):
    answers = [
        completion("half an ans", finish_reason="length"),
        completion(None),
        {"choices": [{"message": {"content": [{"type": "text", "text": "in "}, {"text": "parts"}]}}], "usage": None},
        {**completion("x"), "usage": {"prompt_tokens": -5, "completion_tokens": "many"}},
    ]
    chat_server.respond = lambda body, number: answers[number]
    replies = endpoint(chat_server).ask([QUESTION] * 4)
    assert [reply.truncated for reply in replies] == [True, False, False, False]
    assert [reply.text for reply in replies] == ["half an ans", "", "in parts", "x"]
    assert replies[2].answer_tokens == 3  # a third of the characters, rounded up
    assert replies[3].prompt_tokens > 0
    assert all(reply.error is None for reply in replies)


@pytest.mark.parametrize("key", ["", "two words", "new\nline", "schl\udcfcssel"])
def test_a_key_that_is_none(chat_server, monkeypatch, key):
    monkeypatch.setenv("MY_KEY", key)
    with pytest.raises(ConfigurationError, match="environment variable") as error:
        endpoint(chat_server, api_key_variable="MY_KEY")
    assert not key or key not in str(error.value)


@pytest.mark.parametrize("given", [KEY, "deadbeef0123"])
def test_a_key_instead_of_a_variable_is_not_repeated(chat_server, given):
    with pytest.raises(ConfigurationError) as error:
        endpoint(chat_server, api_key_variable=given)
    assert given not in str(error.value)


@pytest.mark.parametrize(
    "url",
    ["localhost:8000", "ftp://host/v1", "http://", "http://ana:sk-1@host/v1", "https://host/v1?key=sk-1", "file:///x"],
)
def test_addresses_that_are_refused(url):
    with pytest.raises(ConfigurationError, match="base_url") as error:
        ChatEndpoint(url, "tiny")
    assert "sk-1" not in str(error.value)


@pytest.mark.parametrize("key", [KEY, "sk-'quoted\"\\secret/0123"])
def test_the_key_is_nowhere(chat_server, monkeypatch, caplog, capsys, key):
    monkeypatch.setenv("MY_KEY", key)
    caplog.set_level(logging.DEBUG)
    answers = [
        f"the key is {key}, as JSON {json.dumps(key)}, in an address {quote(key, safe='')}",
        (400, {"error": {"message": {"incorrect": key}}}, {}),
        (401, {"error": {"message": f"Incorrect key {key[:12]}..."}}, {}),
    ]
    chat_server.respond = lambda body, number: answers[number]
    writer = endpoint(chat_server, api_key_variable="MY_KEY", structured="none")
    replies = writer.ask([QUESTION, QUESTION])
    with pytest.raises(WriterError) as error:
        writer.ask([QUESTION])
    printed = capsys.readouterr()
    for place in (
        *map(repr, replies),
        str(error.value),
        caplog.text,
        *printed,
        repr(vars(writer)),
        repr(writer.identity),
    ):
        assert "secret" not in place


@pytest.mark.parametrize(
    "options",
    [
        {"num_parallel": 0},
        {"max_retries": -1},
        {"timeout": 0.0},
        {"max_new_tokens": 0},
        {"requests_per_minute": 0.0},
        {"max_image_side": 3},
        {"proxy": "no address"},
        {"temperature": float("nan")},
    ],
)
def test_arguments_out_of_range(options):
    with pytest.raises(ConfigurationError):
        ChatEndpoint("http://127.0.0.1:1/v1", "tiny", **options)


def test_what_determines_answers():
    one = ChatEndpoint("http://a.example/v1", "tiny", num_parallel=1, timeout=3.0)
    two = ChatEndpoint("http://b.example/v1", "tiny", num_parallel=2, requests_per_minute=5.0)
    assert one.identity == two.identity
    assert one.identity != ChatEndpoint("http://a.example/v1", "tiny", temperature=1.0).identity


def test_the_rate_is_limited_over_threads():
    limit = RateLimit(per_minute=1200)
    began = time.monotonic()
    threads = [threading.Thread(target=limit.wait) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began >= 4 * 0.05 - 0.01


def test_retry_after_is_followed_by_all(chat_server):
    chat_server.respond = fails_first((429, b"", {"Retry-After": "0.3"}))
    assert ask(chat_server).error is None
    assert chat_server.times[1] - chat_server.times[0] >= 0.29


def test_retries_count_as_requests(chat_server):
    chat_server.respond = lambda body, number: (500, b"", {})
    writer = endpoint(chat_server, max_retries=9)
    writer.budget = Budget(max_requests=3)
    writer.budget.start(1)
    assert "budget" in writer.ask([QUESTION])[0].error
    assert writer.budget.requests == len(chat_server.requests) == 3
