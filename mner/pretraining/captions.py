"""Batches for sentence-image prediction: every second caption is another image's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mner.batch import Batch
from mner.collate import Collator, Images
from mner.posts import Post
from mner.text.subwords import SubwordTokenizer

UNKNOWN, ANOTHERS, OWN = -1, 0, 1
"""Whose caption a post has: it may have none."""


@dataclass(eq=False, repr=False)
class CaptionedBatch(Batch):
    """A batch in which some captions were exchanged.

    Args:
        caption_of: :data:`OWN`, :data:`ANOTHERS` or :data:`UNKNOWN`, shape ``(B,)``.
    """

    caption_of: Tensor | None = None


class CaptionCollator(Collator):
    """Makes batches in which half of the captions are another image's.

    Args:
        subword_tokenizer: The text encoder's tokenizer.
        images: Loads or looks up the images of posts.
        kind: The kind of context that is the caption.
    """

    def __init__(self, subword_tokenizer: SubwordTokenizer, images: Images | None, kind: str) -> None:
        super().__init__(subword_tokenizer, images=images)
        self.kind = kind

    def __call__(self, posts: Sequence[Post]) -> CaptionedBatch:
        """Make a batch.

        Args:
            posts: B posts.
        """
        exchanged, caption_of = exchange_captions(posts, self.kind)
        return CaptionedBatch(**vars(super().__call__(exchanged)), caption_of=torch.tensor(caption_of))


def exchange_captions(posts: Sequence[Post], kind: str) -> tuple[list[Post], list[int]]:
    """Give every second post that has a caption that of the next one, in a circle.

    It follows from the order of the posts alone, which is another one in each epoch of a training, the same in every
    validation, and the same again when a training is resumed.

    Args:
        posts: The posts.
        kind: The kind of context that is the caption.

    Returns:
        The posts, and whose caption each has: :data:`OWN` also where the next one's is the same text.

    Example:
        >>> posts = [Post(name, ("a",), contexts={"caption": f"picture {name}"}) for name in "123"]
        >>> exchanged, caption_of = exchange_captions(posts, "caption")
        >>> [post.contexts["caption"] for post in exchanged], caption_of
        (['picture 1', 'picture 3', 'picture 3'], [1, 0, 1])
    """
    exchanged, caption_of = list(posts), [UNKNOWN] * len(posts)
    places = [place for place, post in enumerate(posts) if post.contexts.get(kind, "").strip()]
    for index, place in enumerate(places):
        own = posts[place].contexts[kind]
        text = posts[places[(index + 1) % len(places)]].contexts[kind] if index % 2 else own
        exchanged[place] = replace(posts[place], contexts={**posts[place].contexts, kind: text})
        caption_of[place] = OWN if text == own else ANOTHERS
    return exchanged, caption_of
