"""A model behind an HTTP endpoint that speaks OpenAI's chat completions: vLLM, Ollama, llama.cpp, any provider."""

from __future__ import annotations

import base64
import io
import json
import os
import random
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import quote, urlsplit

from PIL import Image

from mner.contexts.context_writer import ContextWriter
from mner.contexts.http_exchange import ExchangeError, HTTPExchange, Response
from mner.contexts.question import Question
from mner.contexts.rate_limit import RateLimit
from mner.contexts.reply import Reply
from mner.errors import ConfigurationError, WriterError

FATAL = {
    401: "the server refuses the key; set the environment variable that api_key_variable names",
    402: "the account has no credit left",
    404: "the server knows no such address or model; correct base_url, which usually ends in /v1, or model",
    405: "the server takes no chat completions at that address; correct base_url, which usually ends in /v1",
}
TRANSIENT = (408, 409, 425, 429)
MAX_DELAY = 60.0
"""Maximum seconds of back-off between two requests for one question."""
MAX_PAUSE = 300.0
"""Maximum seconds that a server's ``Retry-After`` is followed."""
CHARACTERS_PER_TOKEN = 3
"""For the tokens of a server that does not report them."""
MIN_REDACTED = 8
"""Characters of the shortest key that is redacted in texts of the server: a shorter one may be a word."""


class ChatEndpoint(ContextWriter):
    """Asks a server with OpenAI's chat completions interface.

    Requests go to ``base_url`` and nowhere else: no redirection is followed, and no proxy is read from the environment.
    The key is read from an environment variable for each request; it is not kept in the object, and is redacted where
    the server repeats it. Requests that fail for a passing reason (429, 5xx, time-outs, malformed responses) are
    repeated with exponential back-off and jitter, or when ``Retry-After`` says.

    Args:
        base_url: Address of the server's interface, for example ``http://localhost:8000/v1``.
        model: The model, as the server names it.
        api_key_variable: Name of the environment variable that contains the key; by default no key is sent.
        max_new_tokens: Maximum number of tokens per answer; ``None`` leaves it to the server.
        temperature: Sampling temperature; ``None`` leaves it to the server.
        structured: How an answer with a JSON schema is requested: by the ``schema``, as any JSON ``object``, only in
            words (``none``), or ``auto``: by the schema until the server refuses it.
        num_parallel: Maximum number of requests at the same time.
        requests_per_minute: Maximum rate of requests; ``None`` for no limit.
        max_retries: How often a request is repeated.
        timeout: Maximum seconds per response.
        max_image_side: Images are scaled down to this number of pixels on the longer side.
        proxy: Address of a proxy, if requests go through one.
        options: Further fields of the request, such as ``{"seed": 0, "top_p": 0.9}``.

    Raises:
        ConfigurationError: If an argument is out of range, the address contains a password or is not one of HTTP, or
            httpx is not installed.
    """

    NOT_IN_ANSWERS: ClassVar[tuple[str, ...]] = (
        *ContextWriter.NOT_IN_ANSWERS,
        *("base_url", "api_key_variable", "requests_per_minute", "max_retries", "timeout", "proxy"),
    )

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key_variable: str | None = None,
        max_new_tokens: int | None = 512,
        temperature: float | None = 0.0,
        structured: Literal["auto", "schema", "object", "none"] = "auto",
        num_parallel: int = 8,
        requests_per_minute: float | None = None,
        max_retries: int = 5,
        timeout: float = 120.0,
        max_image_side: int = 1024,
        proxy: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        for name, value, minimum in (
            ("max_new_tokens", max_new_tokens, 1),
            ("num_parallel", num_parallel, 1),
            ("max_retries", max_retries, 0),
            ("max_image_side", max_image_side, 28),
        ):
            if value is not None and value < minimum:
                raise ConfigurationError(f"ChatEndpoint: expected {name} of at least {minimum}, got {value}")
        if timeout <= 0:
            raise ConfigurationError(f"ChatEndpoint: expected a timeout above 0 seconds, got {timeout}")
        self.url = f"{_checked(base_url).rstrip('/')}/chat/completions"
        self.num_parallel = num_parallel
        self.model = model
        self.max_retries = max_retries
        self.max_image_side = max_image_side
        self.structured = structured
        self._fields = {
            "model": model,
            **({} if max_new_tokens is None else {"max_tokens": max_new_tokens}),
            **({} if temperature is None else {"temperature": temperature}),
            **(options or {}),
        }
        self._key_variable = api_key_variable
        self._key()  # a missing key is reported before any work
        self._limit = RateLimit(requests_per_minute)
        self._exchange = HTTPExchange(timeout, num_parallel, proxy)

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """Ask questions one after the other; several threads may call this at the same time.

        Raises:
            WriterError: If the server refuses the key, or knows no such address or model.
        """
        return [self._ask(question) for question in questions]

    def _ask(self, question: Question) -> Reply:
        content, size = self._content(question)
        messages = [{"role": "system", "content": question.instructions}, {"role": "user", "content": content}]
        form = self._form(question)
        refused_form = False
        failures = 0
        while True:
            self._limit.wait(self.budget.sleep)
            began = time.monotonic()
            delay = min(MAX_DELAY, 0.5 * 2**failures) * random.uniform(0.5, 1.0)
            try:
                response = self._post({**self._fields, "messages": messages, **form})
            except ExchangeError as error:
                problem = str(error)
            else:
                if response.status == 200:
                    reply = self._reply(response.content, question, time.monotonic() - began, size)
                    if reply is not None:
                        self.structured = "none" if refused_form else self.structured
                        return reply
                problem = self._problem(response)
                if form and self.structured in ("auto", "none") and response.status in (400, 422, 501):
                    form, refused_form = {}, True  # the prompt asks for JSON in words too, and the answer is parsed
                    if self.budget.repeat():
                        continue
                    return _unrepeated(problem)
                self._raise_if_fatal(response, problem)
                if response.status != 200 and response.status < 500 and response.status not in TRANSIENT:
                    return Reply(error=problem, is_final=True)
                if response.retry_after is not None:
                    self._limit.pause(min(response.retry_after, MAX_PAUSE))
                    delay = 0.0
            failures += 1
            if failures > self.max_retries:
                return Reply(error=problem)
            self.budget.sleep(delay)
            if not self.budget.repeat():
                return _unrepeated(problem)

    def _post(self, body: Mapping[str, Any]) -> Response:
        key = self._key()
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return self._exchange.post(self.url, body, headers)

    def _content(self, question: Question) -> tuple[Any, tuple[int, int] | None]:
        if not any(images for images, _ in question.parts):
            return "\n\n".join(text for _, text in question.parts), None
        content: list[dict[str, Any]] = []
        sizes: list[tuple[int, int]] = []
        for given_images, text in question.parts:
            sizes = []
            for given in given_images:
                image = given.copy()
                image.thumbnail((self.max_image_side, self.max_image_side), Image.Resampling.BICUBIC)
                encoded = io.BytesIO()
                image.save(encoded, "JPEG", quality=90)
                url = f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"
                content.append({"type": "image_url", "image_url": {"url": url}})
                sizes.append(image.size)
            content.append({"type": "text", "text": text})
        return content, sizes[0] if sizes else None

    def _form(self, question: Question) -> dict[str, Any]:
        if question.schema is None or self.structured == "none":
            return {}
        if self.structured == "object":
            return {"response_format": {"type": "json_object"}}
        schema = {"name": "answer", "schema": question.schema, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}

    def _reply(self, content: Any, question: Question, seconds: float, size: tuple[int, int] | None) -> Reply | None:
        """Read a chat completion; ``None`` if it is none."""
        try:
            choice = content["choices"][0]
            text = choice["message"].get("content")
        except (AttributeError, IndexError, KeyError, TypeError):
            return None
        if isinstance(text, list):  # some servers answer in parts
            text = "".join(f"{part.get('text') or ''}" for part in text if isinstance(part, Mapping))
        if text is not None and not isinstance(text, str):
            return None
        used = content.get("usage")
        used = used if isinstance(used, Mapping) else {}
        return Reply(
            text=self._redacted(text or ""),
            prompt_tokens=_count(used.get("prompt_tokens"), question.instructions + question.text),
            answer_tokens=_count(used.get("completion_tokens"), text or ""),
            seconds=seconds,
            truncated=choice.get("finish_reason") == "length",
            image_size=size,
        )

    def _problem(self, response: Response) -> str:
        if response.status == 200:
            return "the response is not a chat completion"
        if response.status == 401:  # servers repeat the key that they refuse, or parts of it
            return "HTTP 401"
        error = response.content.get("error", response.content) if isinstance(response.content, Mapping) else None
        said = error.get("message", error.get("detail", "")) if isinstance(error, Mapping) else error or ""
        shown = self._redacted(str(said))[:300]
        return f"HTTP {response.status}: {shown}" if shown else f"HTTP {response.status}"

    def _raise_if_fatal(self, response: Response, problem: str) -> None:
        remedy = FATAL.get(response.status)
        if 300 <= response.status < 400:
            remedy = "the server sends requests elsewhere, which is not followed; give that address as base_url"
        if "insufficient_quota" in str(response.content)[:2000]:
            remedy = FATAL[402]
        if remedy is not None:
            raise WriterError(f"{self.url} for the model {self.model!r}: {problem}; {remedy}")

    def _key(self) -> str | None:
        if self._key_variable is None:
            return None
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self._key_variable) is None:
            raise ConfigurationError(
                "expected api_key_variable to be the name of an environment variable, such as OPENAI_API_KEY, got "
                "something else; a key itself does not belong into a config"
            )
        key = os.environ.get(self._key_variable, "").strip()
        if not key:  # the name is not shown either: it may be a key that was given instead of a name
            raise ConfigurationError("the environment variable that api_key_variable names is not set; export the key")
        if re.fullmatch(r"[!-~]+", key) is None:
            raise ConfigurationError(
                "the environment variable that api_key_variable names contains no key: expected printable ASCII "
                "characters without spaces"
            )
        return key

    def _redacted(self, text: str) -> str:
        """Remove the key from a text of the server, which may repeat it."""
        key = self._key()
        if key is not None and len(key) >= MIN_REDACTED:
            for form in (key, quote(key, safe=""), repr(key)[1:-1], json.dumps(key)[1:-1]):
                text = text.replace(form, "[key]")
        return text


def _unrepeated(problem: str) -> Reply:
    return Reply(error=f"{problem}; it was not asked again, since the budget of requests is used up")


def _checked(base_url: str) -> str:
    """Return an address of HTTP without a password and without a query, where keys are.

    Raises:
        ConfigurationError: If it is none; what is wrong with it is not repeated.
    """
    try:
        parts = urlsplit(base_url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ConfigurationError("expected base_url to be an address such as http://localhost:8000/v1")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigurationError(
            "expected base_url without user, password, query and fragment; a key comes from the environment variable "
            "that api_key_variable names"
        )
    return base_url


def _count(value: Any, text: str) -> int:
    """Read a number of tokens; estimate it where the server reports none."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9
    return value if is_count else -(-len(text) // CHARACTERS_PER_TOKEN)
