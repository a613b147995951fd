"""Prompting language models about posts: contexts, entities, and second opinions on a tagger's entities."""

from mner.prompting.answer_journal import AnswerJournal
from mner.prompting.asking import ask_all
from mner.prompting.asking_report import AskingReport
from mner.prompting.context_prompting import context_lines
from mner.prompting.entity_answer import EntityAnswer, ListedEntity, read_entity_answer
from mner.prompting.entity_prompting import EntityPrompting
from mner.prompting.entity_types import EntityTypes
from mner.prompting.examples import entity_solution, listed_solution, solved_examples
from mner.prompting.location import LocatedEntities, locate
from mner.prompting.prompt import Prompt
from mner.prompting.query import Query
from mner.prompting.review import ThresholdRow, Verdict, apply_verdicts, by_threshold, read_verdict, uncertain
from mner.prompting.similar_posts import SimilarPosts

__all__ = [
    "AnswerJournal",
    "AskingReport",
    "EntityAnswer",
    "EntityPrompting",
    "EntityTypes",
    "ListedEntity",
    "LocatedEntities",
    "Prompt",
    "Query",
    "SimilarPosts",
    "ThresholdRow",
    "Verdict",
    "apply_verdicts",
    "ask_all",
    "by_threshold",
    "context_lines",
    "entity_solution",
    "listed_solution",
    "locate",
    "read_entity_answer",
    "read_verdict",
    "solved_examples",
    "uncertain",
]
