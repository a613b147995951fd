from itertools import product

import pytest
import torch

from mner.contexts.updown.beam_search import beam_search

START, END = 5, 0
SIZE = 4  # words that can follow, the end among them


def chain(seed, rows):
    """A random second-order chain of its own for each row: next word given the last two."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 6, 6, SIZE, generator=generator, dtype=torch.double).log_softmax(-1)


def step_of(table):
    def step(words, state):
        row, before = state
        return table[row, before, words], (row, words)

    return step


def start_state(rows):
    return torch.arange(rows), torch.full((rows,), START)


def enumerate_best(table, max_length):
    """The likeliest sequence by trying all: closed by the end, or of full length without one."""
    best, best_score = (), -torch.inf
    for length in range(max_length + 1):
        for words in product(range(1, SIZE), repeat=length):
            closed = (*words, END) if length < max_length else words
            score, before, last = 0.0, START, START
            for word in closed:
                score += table[before, last, word].item()
                before, last = last, word
            if score > best_score:
                best, best_score = words, score
    return list(best), best_score


@pytest.mark.parametrize("seed", range(5))
def test_wide_beams_find_what_enumeration_finds(seed):
    table = chain(seed, rows=3)
    words, scores = beam_search(step_of(table), start_state(3), START, END, num_beams=200, max_length=4)
    for row in range(3):
        expected, score = enumerate_best(table[row], 4)
        assert [word for word in words[row].tolist() if word != END] == expected
        assert scores[row].item() == pytest.approx(score)


def test_one_beam_is_greedy():
    table = chain(7, rows=4)
    words, _ = beam_search(step_of(table), start_state(4), START, END, num_beams=1, max_length=6)
    for row in range(4):
        before, last, expected = START, START, []
        for _ in range(words.shape[1]):
            word = END if expected and expected[-1] == END else table[row, before, last].argmax().item()
            expected.append(word)
            before, last = last, word
        assert words[row].tolist() == expected


def test_rows_do_not_depend_on_their_batch():
    table = chain(3, rows=4)
    together, scores = beam_search(step_of(table), start_state(4), START, END, num_beams=3, max_length=5)
    for row in range(4):
        alone, score = beam_search(step_of(table[row : row + 1]), start_state(1), START, END, num_beams=3, max_length=5)
        assert alone[0].tolist() == together[row, : alone.shape[1]].tolist()
        assert set(together[row, alone.shape[1] :].tolist()) <= {END}
        assert score.item() == pytest.approx(scores[row].item())


def test_more_beams_than_words_and_impossible_words():
    table = torch.full((1, 6, 6, 2), -torch.inf, dtype=torch.double)
    table[..., 1] = 0.0
    words, scores = beam_search(step_of(table), start_state(1), START, END, num_beams=8, max_length=3)
    assert words.tolist() == [[1, 1, 1]]
    assert scores.tolist() == [0.0]
