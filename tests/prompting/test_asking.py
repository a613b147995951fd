import json
import threading
import time

import pytest
from PIL import Image

from mner.contexts import Budget, ContextWriter, Reply
from mner.errors import FormatError, OutputError, WriterError
from mner.images import ImageLoader
from mner.posts import Post
from mner.prompting import AnswerJournal, Query, ask_all


class Echo(ContextWriter):
    """Repeats the text of each question; fails, or stops, where it is told to."""

    def __init__(self, model="echo", batch_size=1, num_parallel=1):
        self.batch_size, self.num_parallel = batch_size, num_parallel
        self.asked = []
        self.fails = lambda text: None

    def ask(self, questions):
        replies = []
        for question in questions:
            self.asked.append((question.text, bool(question.images)))
            failure = self.fails(question.text)
            if isinstance(failure, BaseException):
                raise failure
            replies.append(failure or Reply(question.text, prompt_tokens=7, answer_tokens=3))
        return replies


@pytest.fixture
def load(tmp_path):
    return ImageLoader((tmp_path,))


@pytest.fixture
def queries(load):
    return [Query(str(number), "Find.", f"post {number}") for number in range(6)]


@pytest.fixture
def journal(tmp_path):
    return AnswerJournal(tmp_path / "out.jsonl", "knowledge")


def lines(journal):
    return [json.loads(line) for line in journal.path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("batch_size", "num_parallel"), [(1, 1), (4, 1), (1, 3), (2, 9)])
def test_every_query_is_asked_once(queries, journal, load, batch_size, num_parallel):
    writer = Echo(batch_size=batch_size, num_parallel=num_parallel)
    report = ask_all([*queries, queries[0]], writer, journal, Budget(), load)
    assert [report.replies[place].text for place in range(7)] == [f"post {n}" for n in (0, 1, 2, 3, 4, 5, 0)]
    assert sorted(writer.asked) == [(f"post {n}", False) for n in range(6)]
    assert (report.kept, report.requests, report.tokens, report.is_complete) == (0, 6, 60, True)
    assert sorted(line["id"] for line in lines(journal)) == list("012345")
    assert {line["writer"] for line in lines(journal)} == {"echo"}
    assert writer.budget.repeat()  # without the limits of the run
    again = ask_all(queries, Echo(), journal, Budget(), load)
    assert (again.kept, again.requests, again.replies[3].tokens) == (6, 0, 10)


def test_what_changes_is_asked_again_and_nothing_is_lost(queries, journal, load):
    ask_all(queries, Echo(), journal, Budget(), load)
    changed = [Query("0", "Find.", "another text"), *queries[1:]]
    writer = Echo()
    assert ask_all(changed, writer, journal, Budget(), load).kept == 5
    assert writer.asked == [("another text", False)]
    assert ask_all(queries, Echo("another model"), journal, Budget(), load).kept == 0
    assert len(lines(journal)) == 13
    assert ask_all(queries, Echo(), journal, Budget(), load).kept == 6


def test_the_content_of_an_image_is_part_of_the_key(journal, load, tmp_path):
    post = Post("1", ("a",), image=tmp_path / "1.png")

    def ask():
        writer = Echo()
        ask_all([Query.about(post, "Find.", "a", load)], writer, journal, Budget(), load)
        return len(writer.asked)

    Image.new("RGB", (16, 16), "red").save(post.image)
    assert [ask(), ask()] == [1, 0]
    Image.new("RGB", (16, 16), "blue").save(post.image)
    assert [ask(), ask()] == [1, 0]
    post.image.rename(tmp_path / "2.png")
    post = Post("1", ("a",), image=tmp_path / "2.png")
    assert ask() == 0


@pytest.mark.parametrize("on_bad_image", ["skip", "mask"])
def test_a_bad_image_concerns_its_post_only(journal, load, tmp_path, on_bad_image):
    Image.new("RGB", (16, 16)).save(tmp_path / "good.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "good.png").read_bytes()[:40])
    posts = [Post(name, (name,), image=tmp_path / f"{name}.png") for name in ("good", "torn", "missing")]
    queries = [Query.about(post, "", post.id, load) for post in posts]
    writer = Echo()
    report = ask_all(queries, writer, journal, Budget(), load, on_bad_image)
    assert sorted(report.bad_images) == [1, 2]
    assert "no such file" in report.bad_images[2]
    expected = [("good", True)] if on_bad_image == "skip" else [("good", True), ("torn", False), ("missing", False)]
    assert sorted(writer.asked) == sorted(expected)
    assert sorted(report.replies) == ([0] if on_bad_image == "skip" else [0, 1, 2])
    assert report.is_complete
    assert report.requests == len(expected)


def test_failures_are_reported_and_asked_again(queries, journal, load):
    writer = Echo()
    writer.fails = lambda text: Reply(error="HTTP 500") if text == "post 2" else None
    report = ask_all(queries, writer, journal, Budget(), load)
    assert report.failed == {2: "HTTP 500"}
    assert (len(report.replies), report.is_complete, len(lines(journal))) == (5, False, 5)
    report = ask_all(queries, Echo(), journal, Budget(), load)
    assert (report.kept, report.requests, report.is_complete) == (5, 1, True)


def test_a_refusal_is_kept_if_others_are_answered(queries, journal, load):
    writer = Echo()
    refusal = Reply(error="HTTP 400: content filter", is_final=True)
    writer.fails = lambda text: refusal if text in ("post 0", "post 2") else None
    report = ask_all(queries, writer, journal, Budget(), load)
    assert report.failed == {0: "HTTP 400: content filter"}  # nothing was answered yet
    assert report.replies[2].error == "HTTP 400: content filter"
    report = ask_all(queries, Echo(), journal, Budget(), load)
    assert (report.requests, report.replies[2].error) == (1, "HTTP 400: content filter")
    retry = {queries[2].key(writer)}
    assert ask_all(queries, Echo(), journal, Budget(), load, retry=retry).replies[2].error is None


def test_many_failures_in_a_row_end_the_run(journal, load):
    writer = Echo()
    writer.fails = lambda text: None if text == "post 0" else Reply(error="HTTP 503")
    with pytest.raises(WriterError, match=r"the last 10 questions had no answer.*HTTP 503.*the same command resumes"):
        ask_all([Query(str(n), "", f"post {n}") for n in range(100)], writer, journal, Budget(), load)
    assert len(writer.asked) == 11
    assert [line["id"] for line in lines(journal)] == ["0"]


@pytest.mark.parametrize("error", [WriterError("no such model"), KeyboardInterrupt()])
def test_answers_before_the_end_are_kept(queries, journal, load, error):
    writer = Echo(num_parallel=2)
    gate = threading.Event()

    def fails(text):
        if text == "post 1":
            time.sleep(0.1)
            gate.set()
            return error
        if text == "post 0":  # under way when the other thread fails
            gate.wait(5)
            time.sleep(0.05)
        return None

    writer.fails = fails
    with pytest.raises(type(error)):
        ask_all(queries, writer, journal, Budget(), load)
    assert [line["id"] for line in lines(journal)] == ["0"]


def test_the_budget_ends_the_run(queries, journal, load):
    report = ask_all(queries, Echo(num_parallel=3), journal, Budget(max_requests=4), load)
    assert (len(report.replies), report.not_asked, report.is_complete) == (4, 2, False)
    report = ask_all(queries, Echo(batch_size=8), journal, Budget(max_tokens=15), load)
    assert (len(report.replies), report.not_asked, report.tokens) == (6, 0, 20)


def test_a_file_of_somebody_else_is_not_overwritten(queries, journal, load):
    journal.output.write_text("mine", encoding="utf-8")
    writer = Echo()
    with pytest.raises(OutputError, match="another command wrote it"):
        ask_all(queries, writer, journal, Budget(), load)
    assert writer.asked == []
    for line in ("not JSON", "{}", "[]", '{"key": "a", "answer": 1}', '{"key": "a", "answer": "b"}', "[" * 9999):
        journal.path.write_text(f"{line}\n", encoding="utf-8")
        with pytest.raises(FormatError, match="line 1: not an answer"):
            ask_all(queries, writer, journal, Budget(), load)


def test_a_cut_off_line_is_asked_again(queries, journal, load):
    ask_all(queries, Echo(), journal, Budget(), load)
    journal.path.write_bytes(journal.path.read_bytes()[:-5])
    assert ask_all(queries, Echo(), journal, Budget(), load).kept == 5
    assert len(lines(journal)) == 6


def test_one_journal_has_one_writer(queries, journal, load):
    writer = Echo()

    def fails(text):
        ask_all(queries, Echo(), journal, Budget(), load)

    writer.fails = fails
    with pytest.raises(OutputError, match="another process"):
        ask_all(queries, writer, journal, Budget(), load)
