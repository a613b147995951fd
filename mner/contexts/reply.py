"""What a language model replied to a question, and what the reply cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reply:
    """The reply to one question.

    Args:
        text: The answer, untouched.
        prompt_tokens: Tokens of the question, the image included.
        answer_tokens: Tokens of the answer.
        seconds: Time from sending the question to the last token, without waiting and without failed requests before
            it; in a batch, an equal share of its time.
        truncated: Whether the answer stopped at the maximum number of tokens.
        image_size: Width and height of the image as the model saw it, in pixels, or ``None`` without an image.
        error: Why there is no answer, or ``None``.
        is_final: Whether the same question would have the same error again, as one that the server refuses.
    """

    text: str = ""
    prompt_tokens: int = 0
    answer_tokens: int = 0
    seconds: float = 0.0
    truncated: bool = False
    image_size: tuple[int, int] | None = None
    error: str | None = None
    is_final: bool = False

    @property
    def tokens(self) -> int:
        """Tokens of question and answer."""
        return self.prompt_tokens + self.answer_tokens
