import chat_models
import pytest
import torch
from PIL import Image

from mner.contexts import Question, ShownExample, TransformersWriter
from mner.errors import ConfigurationError, WeightsNotFoundError

RED, WIDE = Image.new("RGB", (60, 40), "red"), Image.new("RGB", (90, 30), "blue")
QUESTIONS = [
    Question("Find names.", "Nike in Oslo", [RED]),
    Question("Find names.", "hi"),
    Question("Find names.", "a text that is much longer than the others", [WIDE]),
]


@pytest.fixture(scope="session", params=[name for name in chat_models.BUILDERS if name != "llama"])
def writer(request, tmp_path_factory):
    from transformers.models.smolvlm import processing_smolvlm

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processing_smolvlm, "num2words", str)
        yield TransformersWriter(
            chat_models.build(request.param, tmp_path_factory.mktemp(request.param)), max_new_tokens=5
        )


@pytest.fixture(scope="session")
def text_writer(tmp_path_factory):
    return TransformersWriter(chat_models.build("llama", tmp_path_factory.mktemp("llama")), max_new_tokens=5)


@pytest.mark.slow
def test_a_batch_answers_as_single_questions_do(writer):
    replies = writer.ask(QUESTIONS)
    alone = [writer.ask([question])[0] for question in QUESTIONS]
    assert [reply.error for reply in replies] == [None] * 3
    assert [reply.text for reply in replies] == [reply.text for reply in alone]
    assert [reply.prompt_tokens for reply in replies] == [reply.prompt_tokens for reply in alone]
    assert all(0 < reply.answer_tokens <= 5 for reply in replies)
    assert [reply.image_size is None for reply in replies] == [False, True, False]


@pytest.mark.slow
def test_the_image_is_seen(writer):
    others = ([RED], [Image.new("RGB", (60, 40))])
    inputs = [writer.inputs([Question("", "a", images)])["pixel_values"] for images in others]
    assert not torch.equal(*inputs)
    several = [[RED, WIDE], [RED], []]
    replies = [writer.ask([Question("", "a", images)])[0] for images in several]
    two, one, none = (reply.prompt_tokens for reply in replies)
    assert two > one > none
    assert replies[0].image_size == replies[1].image_size


@pytest.mark.slow
def test_examples_are_shown_with_their_images(writer):
    shown = [ShownExample("Nike: ORG", WIDE), ShownExample("hi: none")]
    questions = [Question("Find names.", "Oslo", [RED], examples=shown), Question("Find names.", "hi", examples=shown)]
    replies = writer.ask(questions)
    assert [reply.error for reply in replies] == [None] * 2
    assert replies[0].image_size == writer.ask([Question("", "Oslo", [RED])])[0].image_size
    assert replies[1].image_size is None
    assert replies[0].text == writer.ask(questions[:1])[0].text
    plain = writer.ask([Question("Find names.", "Oslo", [RED])])[0]
    assert replies[0].prompt_tokens > plain.prompt_tokens


@pytest.mark.slow
def test_special_tokens_in_a_post_are_text(writer):
    plain = writer.inputs([Question("Find.", "hi", [RED])])["input_ids"][0].tolist()
    special = {token for token, each in writer.tokenizer.added_tokens_decoder.items() if each.special}
    for token in sorted({str(each) for each in writer.tokenizer.added_tokens_decoder.values()}):
        hostile = writer.inputs([Question("Find.", f"hi {token}{token}", [RED])])["input_ids"][0].tolist()
        assert sum(each in special for each in hostile) == sum(each in special for each in plain)


@pytest.mark.slow
def test_a_question_that_fails_does_not_affect_the_others(writer, monkeypatch):
    inputs = writer.inputs

    def fails(questions):
        if any(question.text == "fail" for question in questions):
            raise ValueError("too long")
        return inputs(questions)

    monkeypatch.setattr(writer, "inputs", fails)
    replies = writer.ask([QUESTIONS[0], Question("", "fail", [RED]), QUESTIONS[2]])
    assert [reply.error for reply in replies] == [None, "ValueError: too long", None]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_vl"])
def test_qwen_reports_the_size_that_it_sees(name, tmp_path):
    writer = TransformersWriter(chat_models.build(name, tmp_path), max_new_tokens=1)
    width, height = writer.ask([QUESTIONS[0]])[0].image_size
    side = writer.processor.image_processor.patch_size * writer.processor.image_processor.merge_size
    assert (width % side, height % side) == (0, 0)
    pixels = writer.inputs([QUESTIONS[0]])["pixel_values"]
    assert len(pixels) * (side // 2) ** 2 == width * height


def test_a_model_of_text_is_asked_without_images(text_writer):
    replies = text_writer.ask(QUESTIONS)
    assert [reply.text for reply in replies] == [text_writer.ask([each])[0].text for each in QUESTIONS]
    assert {reply.image_size for reply in replies} == {None}
    prompt = text_writer.tokenizer.decode(text_writer.inputs([Question("Find.", "hi </s>")])["input_ids"][0])
    assert prompt == "[system]Find.</s>[user]hi < /s></s>[assistant]"


def test_an_answer_ends_at_the_end_token(text_writer, monkeypatch):
    end = text_writer.tokenizer.eos_token_id
    letter = text_writer.tokenizer.convert_tokens_to_ids("a")

    def generate(**inputs):
        rows = torch.tensor([[letter, letter, end, end, end], [letter] * 5])
        return torch.cat([inputs["input_ids"], rows], dim=1)

    monkeypatch.setattr(text_writer.model, "generate", generate)
    replies = text_writer.ask([Question("", "x"), Question("", "y")])
    assert [(reply.text, reply.answer_tokens, reply.truncated) for reply in replies] == [
        ("aa", 2, False),
        ("aaaaa", 5, True),
    ]


def test_models_that_are_refused(tmp_path, tiny_text_encoder_folder):
    with pytest.raises(ConfigurationError, match=r"does not generate text|no chat template"):
        TransformersWriter(str(tiny_text_encoder_folder))
    with pytest.raises(WeightsNotFoundError, match="cannot load the chat model"):
        TransformersWriter("nobody/nothing")
    folder = chat_models.build("llama", tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    with pytest.raises(ConfigurationError, match="no chat template"):
        TransformersWriter(folder)
    for options in ({"batch_size": 0}, {"max_new_tokens": 0}, {"max_image_side": 1}):
        with pytest.raises(ConfigurationError, match="at least"):
            TransformersWriter(folder, **options)
