"""Asking a writer about many posts: in parallel, within a budget, resumed from the answers so far."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from typing import Literal

from tqdm import tqdm

from mner.contexts import Budget, ContextWriter, Question, Reply
from mner.errors import ImageError, WriterError
from mner.files import LineAppender
from mner.images import ImageLoader
from mner.prompting.answer_journal import AnswerJournal
from mner.prompting.asking_report import AskingReport
from mner.prompting.query import Query

MAX_FAILURES = 10
"""Questions in a row without an answer, after which nothing more is asked."""
BadImage = Literal["skip", "mask"]
"""Whether a post whose image cannot be used is skipped, or asked about without the image."""


def ask_all(
    queries: Sequence[Query],
    writer: ContextWriter,
    journal: AnswerJournal,
    budget: Budget,
    load: ImageLoader,
    on_bad_image: BadImage = "skip",
    retry: Collection[str] = (),
    progress: bool = False,
) -> AskingReport:
    """Ask every query that the journal does not answer; equal ones once.

    Args:
        queries: The queries.
        writer: Who is asked.
        journal: Where answers are, and where new ones are written as they come.
        budget: Limits of requests and tokens.
        load: Opens images.
        on_bad_image: ``skip`` or ``mask``.
        retry: Keys of answers in the journal that are asked for again.
        progress: Show a progress bar with the tokens so far and per second.

    Raises:
        WriterError: If the writer cannot be asked at all, or :data:`MAX_FAILURES` questions in a row have no reply.
        OutputError: If another run is writing the journal, or the output is not made from it.
    """
    journal.check()
    began = time.monotonic()
    writer.budget = budget
    keys = [query.key(writer) for query in queries]
    bad_images = {place: query.image_error for place, query in enumerate(queries) if query.image_error is not None}
    asked = [place for place in range(len(queries)) if on_bad_image == "mask" or place not in bad_images]
    with journal.open() as append:
        known = {key: reply for key, reply in journal.read().items() if key not in retry}
        waiting = {keys[place]: queries[place] for place in asked if keys[place] not in known}
        kept = sum(keys[place] in known for place in asked)
        run = _Run(writer, budget, journal, append, load, on_bad_image, known, waiting)
        try:
            with tqdm(total=len(waiting), unit=" posts", disable=not (progress and waiting)) as bar:
                run.finish(bar)
        finally:
            writer.budget = Budget()
    bad_images |= {place: run.bad_images[key] for place, key in enumerate(keys) if key in run.bad_images}
    missing = [place for place in asked if keys[place] not in known and place not in bad_images]
    failed = {place: run.failed[keys[place]] for place in missing if keys[place] in run.failed}
    return AskingReport(
        replies={place: known[keys[place]] for place in asked if keys[place] in known},
        kept=kept,
        bad_images=bad_images,
        failed=failed,
        not_asked=len(missing) - len(failed),
        requests=budget.requests,
        tokens=budget.tokens,
        seconds=time.monotonic() - began,
    )


class _Run:
    """What the threads of a run share. Each takes questions, asks them, and writes the answers, until none is left."""

    def __init__(
        self,
        writer: ContextWriter,
        budget: Budget,
        journal: AnswerJournal,
        append: LineAppender,
        load: ImageLoader,
        on_bad_image: BadImage,
        known: dict[str, Reply],
        waiting: dict[str, Query],
    ) -> None:
        self.writer = writer
        self.budget = budget
        self.journal = journal
        self.append = append
        self.load = load
        self.on_bad_image = on_bad_image
        self.known = known
        self.failed: dict[str, str] = {}
        self.bad_images: dict[str, str] = {}
        self._number = len(waiting)
        self._left = iter(waiting.items())
        self._failures = 0
        self._has_answer = any(reply.error is None for reply in known.values())
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def finish(self, bar: tqdm) -> None:
        """Ask until nothing is left or allowed; what is under way when this fails is still written."""
        threads = min(self.writer.num_parallel, -(-self._number // self.writer.batch_size))
        if not threads:
            return
        with ThreadPoolExecutor(threads) as pool:
            try:
                for work in as_completed([pool.submit(self._work, bar) for _ in range(threads)]):
                    work.result()
            finally:
                self.budget.stop()

    def _work(self, bar: tqdm) -> None:
        try:
            while size := self.budget.start(self.writer.batch_size):
                with self._lock:
                    batch = dict(islice(self._left, size))
                self.budget.cancel(size - len(batch))
                if not batch:
                    return
                self._write(batch, self._ask(batch), bar)
        except BaseException:
            self.budget.stop()
            raise

    def _ask(self, batch: dict[str, Query]) -> dict[str, Reply]:
        opened = {key: self._open(key, query) for key, query in batch.items()}
        questions = {key: question for key, question in opened.items() if question is not None}
        self.budget.cancel(len(batch) - len(questions))
        replies: dict[str, Reply] = {}
        try:
            if questions:
                replies.update(zip(questions, self.writer.ask(list(questions.values())), strict=True))
        finally:
            for key in questions:
                self.budget.finish(replies[key].tokens if key in replies else 0)
        return replies

    def _open(self, key: str, query: Query) -> Question | None:
        try:
            return query.question(self.load)
        except ImageError as error:
            self.bad_images[key] = str(error)
            return query.question(self.load, has_image=False) if self.on_bad_image == "mask" else None

    def _write(self, batch: dict[str, Query], replies: dict[str, Reply], bar: tqdm) -> None:
        with self._lock:
            lines = []
            for key, reply in replies.items():
                self._has_answer |= reply.error is None
                # A refusal counts as an answer only if others are answered: else the configuration may be wrong.
                if reply.error is None or (reply.is_final and self._has_answer):
                    self.known[key] = reply
                    lines.append(self.journal.record(batch[key], self.writer, key, reply))
                    self._failures = 0
                    continue
                self.failed[key] = f"{reply.error}"
                self._failures += 1
                if self._failures >= MAX_FAILURES:
                    self.append(lines)
                    raise WriterError(
                        f"the last {self._failures} questions had no answer, the last one because of: {reply.error}; "
                        f"the answers so far are in {self.journal.path}, and the same command resumes"
                    )
            self.append(lines)
            rate = self.budget.tokens / max(time.monotonic() - self._began, 1e-9)
            bar.set_postfix_str(
                f"{self.budget.tokens:,} tokens, {rate:.0f} per second, {len(self.failed)} failed", refresh=False
            )
            bar.update(len(batch))
