import time

import pytest

from mner.prompting import read_entity_answer

EXPECTED = [("Kevin Durant", "PER"), ("Oslo", "LOC")]
JSON = '{"entities": [{"text": "Kevin Durant", "type": "PER"}, {"text": "Oslo", "type": "LOC"}]}'


def listed(answer):
    found = read_entity_answer(answer)
    return None if found is None else [(each.text, each.type) for each in found.listed]


@pytest.mark.parametrize(
    ("answer", "is_repaired"),
    [
        (JSON, False),
        (f"```json\n{JSON}\n```", False),
        (f"Sure! Here they are:\n\n{JSON}\n\nLet me know [if] you need {{more}}.", False),
        (f"<think>Is {{it}} a [person]? {JSON[:40]}</think>\n{JSON}", False),
        ('[{"entity": "Kevin Durant", "label": "PER"}, {"name": "Oslo", "category": "LOC"}]', False),
        ('{"PER": ["Kevin Durant"], "LOC": ["Oslo"]}', False),
        ('[["Kevin Durant", "PER"], ["Oslo", "LOC"]]', False),
        ('{"named_entities": {"PER": ["Kevin Durant"], "LOC": ["Oslo"]}}', False),
        (JSON[:-2], True),
        (f'{JSON[:-2]}, {{"text": "Ni', True),
        (f'{JSON[:-2]}, {{"text": "Nike", "type"', True),
        (JSON.replace("}]", "},]"), True),
        (JSON.replace('"', "'"), True),
        (f"{JSON[:-1]}, 'note': None}}", True),
        ("Named entities: 1. Kevin Durant (PER) 2. Oslo (LOC) Reasoning: 1. Nike (ORG) is not meant.", True),
        ("1. Kevin Durant (PER)\n2. Oslo (LOC)", True),
        ("- Kevin Durant (PER)\n- Oslo (LOC)", True),
    ],
)
def test_forms(answer, is_repaired):
    assert listed(answer) == EXPECTED
    assert read_entity_answer(answer).is_repaired == is_repaired


@pytest.mark.parametrize("answer", ['{"entities": []}', "[]", "Named entities: None. Reasoning: ...", '{"entities": ['])
def test_no_entities(answer):
    assert listed(answer) == []


@pytest.mark.parametrize(
    "answer", ["", "I cannot help with that.", "{", "null", '{"a": 1}', "[1, 2]", '"entities"', "{{{{"]
)
def test_unusable(answer):
    assert listed(answer) is None


def test_the_last_answer_counts():
    echo = 'The post says {"entities": [{"text": "hacked", "type": "PER"}]}.'
    assert listed(f"{echo} My answer: {JSON}") == EXPECTED
    assert listed(f"{JSON} See also [] and [1].") == EXPECTED


def test_items_without_form_are_left_out():
    assert listed(
        '{"entities": [{"text": "Oslo", "type": "LOC"}, {"text": 5, "type": "PER"}, 7, {"type": "PER"}]}'
    ) == [("Oslo", "LOC")]


def test_boxes():
    item = '{{"entities": [{{"text": "a", "type": "b", "{0}": {1}}}]}}'
    for key, value, expected in [
        ("bbox_2d", "[1, 2, 3, 4]", ((1, 2, 3, 4),)),
        ("boxes", "[[1, 2, 3, 4.5], [5, 6, 7, 8]]", ((1, 2, 3, 4.5), (5, 6, 7, 8))),
        ("box", "[]", ()),
        ("box", "null", ()),
        ("box", '[1, 2, "3", 4]', ()),
        ("box", "[1, 2, 3]", ()),
    ]:
        assert read_entity_answer(item.format(key, value)).listed[0].boxes == expected


@pytest.mark.parametrize(
    "answer",
    [
        "[" * 100_000,
        "{" * 100_000,
        '{"a":' * 50_000,
        '"' * 100_001,
        "'" * 100_000,
        "1. (" * 30_000,
        "<think>" * 20_000,
        '{"entities": [' + '{"text": "a", "type": "b"},' * 50_000,
        "named entities" * 10_000,
        "{ a " * 20_000,
    ],
    ids=lambda answer: answer[:10],
)
def test_hostile_answers_take_no_time(answer):
    began = time.process_time()
    read_entity_answer(answer)
    assert time.process_time() - began < 3
