"""seqeval's own report on a scored split, on which published scores are based."""

from __future__ import annotations

from collections.abc import Sequence

from mner.labels import OUTSIDE, tags_of
from mner.predictions import Prediction, gold_tags


def seqeval_report(predictions: Sequence[Prediction], digits: int = 4) -> str:
    """Compute seqeval's ``classification_report`` in its default mode, which is ``conlleval``.

    Args:
        predictions: Predictions of annotated posts.
        digits: Decimals of precision, recall and F1.

    Returns:
        The text of the report; a single line if there is neither a gold nor a predicted entity.

    Raises:
        DataError: If a post has no gold tags, or predicted entities overlap.

    Example:
        >>> from mner.posts import Entity, Post
        >>> post = Post("1", ("Ann", "!"), ("B-PER", "O"))
        >>> print(seqeval_report([Prediction(post, (Entity("PER", 0, 1),))]).splitlines()[2])
                 PER     1.0000    1.0000    1.0000         1
    """
    from seqeval.metrics import classification_report  # imports scikit-learn, which takes a second

    target = [list(gold_tags(each.post)) for each in predictions]
    preds = [tags_of(each.entities, len(each.post.words)) for each in predictions]
    if all(tag == OUTSIDE for row in (*target, *preds) for tag in row):  # which seqeval cannot tabulate
        return "no gold and no predicted entities\n"
    report: str = classification_report(target, preds, digits=digits, zero_division=0)
    return report
