"""Samples for context search: facts planted in real text, and a question at the end that one of them answers.

    begin · text ⟨needle⟩ text ⟨needle⟩ text … newline question → value

A base language model follows no instructions, so the question is the start of the planted line (or, in the task `uses`,
the start of a line of code that uses the identifier) and the value is what must come next. Source of the design:
needle-in-a-haystack with 2, 4, 6 needles at shuffled depths, as in Multi-Token Attention, arXiv:2504.00927, §4.4.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Callable, Dict, Iterator, List, Mapping, Sequence, Tuple

import numpy as np

Encode = Callable[[str], Sequence[int]]

NEEDLES = (2, 4, 6)
LENGTHS = (512, 1024, 2048)
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
CODE_STREAM = "code"
# A needle moves at most this many tokens to the nearest end of a line.
REACH = 32


class SearchError(ValueError):
    """A sample that cannot be made, with the reason."""


@dataclass(frozen=True)
class Form:
    """How a fact is planted and asked for; `statement` and `question` end where the value begins."""

    statement: str
    end: str
    question: str


@dataclass(frozen=True)
class SearchTask:
    """One kind of search. A key is `pattern` filled with one of `firsts` and one of `seconds`.

    shares_words: every distractor has one of the two words of the key that is asked for, so neither alone finds it.
    """

    name: str
    about: str
    is_code: bool
    forms: Tuple[Form, ...]
    pattern: str
    firsts: Tuple[str, ...]
    seconds: Tuple[str, ...]
    shares_words: bool


_NAMES = tuple(
    "London Paris Berlin Madrid Boston Chicago Texas Canada India China Japan Egypt Spain Italy Rome Dublin Oxford "
    "Harbour Market Garden Castle Forest Island River Station Museum Temple Bridge".split()
)
_COLOURS = tuple("red blue green white black brown yellow grey golden silver old new small large wooden broken".split())
_THINGS = tuple("house door box ship tower wall table garden horse bridge field window river boat stone mill".split())
_LIMITS = tuple("MAX MIN DEFAULT TOTAL INITIAL FIRST LAST BASE EXTRA CURRENT".split())
_SUBJECTS = tuple("RETRIES TIMEOUT SIZE WIDTH HEIGHT LENGTH OFFSET DELAY PORT DEPTH WORKERS LINES".split())

TASKS = (
    SearchTask(
        "facts", "a number by a name", False,
        (Form("The secret number of {key} is ", ".\n", "The secret number of {key} is "),
         Form("{key}: the code is ", ".\n", "{key}: the code is ")),
        "{0}", _NAMES, ("",), False,
    ),
    SearchTask(
        "pairs", "a number by two words, each of which other needles have too", False,
        (Form("The number of the {key} is ", ".\n", "The number of the {key} is "),),
        "{0} {1}", _COLOURS, _THINGS, True,
    ),
    SearchTask(
        "definitions", "an identifier's value, its definition begun again", True,
        (Form("const {key} = ", ";\n", "const {key} = "), Form("{key} = ", "\n", "{key} = ")),
        "{0}_{1}", _LIMITS, _SUBJECTS, True,
    ),
    SearchTask(
        "uses", "an identifier's value where it is used", True,
        (Form("const {key} = ", ";\n", "expect({key}).toBe("), Form("{key} = ", "\n", "assert {key} == ")),
        "{0}_{1}", _LIMITS, _SUBJECTS, True,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """One question.

    prompt: int64 [length − value tokens], begin token to the end of the question. values: the planted values, all of
    as many tokens. asked: index of the right one. depth: nominal, 0 to 1. starts: where each needle's line begins
    in the prompt. offsets: tokens of text before each needle, of `n_text` in all.
    """

    prompt: np.ndarray
    values: Tuple[Tuple[int, ...], ...]
    asked: int
    depth: float
    starts: Tuple[int, ...]
    offsets: Tuple[int, ...]
    n_text: int


def choose_streams(streams: Mapping[str, Sequence], is_code: bool) -> List[str]:
    """Names of the streams that text of this kind comes from: `code`, or all others."""
    names = sorted(name for name in streams if (name == CODE_STREAM) == is_code)
    if not names:
        kind = f'stream "{CODE_STREAM}"' if is_code else "stream of prose"
        raise SearchError(f"The data has no {kind}, only {', '.join(sorted(streams))}. Make it with training.prepare.")
    return names


class Haystack:
    """Draws text from the documents of one kind."""

    def __init__(self, documents: Sequence[np.ndarray], ends_line: np.ndarray) -> None:
        """documents: token ids without begin tokens. ends_line: bool [vocab_size], true for tokens that end a line."""
        self.documents, self.ends_line = documents, ends_line
        self.n_tokens = sum(map(len, documents))

    def draw(self, rng: np.random.Generator, n_tokens: int) -> np.ndarray:
        """Consecutive tokens from a random place; a document that is too short is followed by the next ones."""
        if n_tokens > self.n_tokens:
            raise SearchError(f"A haystack needs {n_tokens} tokens of text; the documents have {self.n_tokens}.")
        index = int(rng.integers(len(self.documents)))
        spare = len(self.documents[index]) - n_tokens
        parts = [self.documents[index][int(rng.integers(spare + 1)) :]] if spare > 0 else [self.documents[index]]
        while sum(map(len, parts)) < n_tokens:
            index = (index + 1) % len(self.documents)
            parts.append(self.documents[index])
        return np.concatenate(parts)[:n_tokens].astype(np.int64)

    def line_end_near(self, text: np.ndarray, position: int) -> int:
        """The nearest position that follows an end of line, at most `REACH` away; else `position`. Both ends are kept."""
        if position in (0, len(text)):
            return position
        low, high = max(1, position - REACH), min(len(text), position + REACH)
        after = np.flatnonzero(self.ends_line[text[low - 1 : high]]) + low
        return int(after[np.abs(after - position).argmin()]) if len(after) else position


def draw_keys(task: SearchTask, rng: np.random.Generator, count: int) -> List[str]:
    """`count` different keys, the one that is asked for first."""
    firsts, seconds = rng.permutation(task.firsts).tolist(), rng.permutation(task.seconds).tolist()
    if not task.shares_words:
        return [task.pattern.format(first, seconds[0]) for first in firsts[:count]]
    keys = [(firsts[0], seconds[0])]
    for i in range(1, count):
        keys.append((firsts[0], seconds[i]) if i % 2 else (firsts[i], seconds[0]))
    return [task.pattern.format(*key) for key in keys]


def draw_values(encode: Encode, rng: np.random.Generator, count: int) -> List[str]:
    """`count` different whole numbers of 2, 3 or 4 digits with equally many tokens, so that likelihoods compare."""
    digits = int(rng.integers(2, 5))
    # By token count: the count that has enough numbers first wins, because a rare one may never have enough.
    by_count: Dict[int, List[str]] = {}
    while True:
        value = str(int(rng.integers(10 ** (digits - 1), 10**digits)))
        same = by_count.setdefault(len(encode(value)), [])
        if value not in same:
            same.append(value)
        if len(same) == count:
            return same


def build_sample(
    task: SearchTask, n_needles: int, length: int, depth: float, haystack: Haystack, encode: Encode,
    begin_token_id: int, rng: np.random.Generator,
) -> Sample:  # fmt: skip
    """Plant `n_needles` and ask for one that lies at `depth` of the text, the others anywhere.

    Prompt and value are exactly `length` tokens together. Raises SearchError when the text or the length is too short.
    """
    form = task.forms[int(rng.integers(len(task.forms)))]
    keys, numbers = draw_keys(task, rng, n_needles), draw_values(encode, rng, n_needles)
    newline = list(encode("\n"))
    needles = [newline + _needle(form, key, number, encode) for key, number in zip(keys, numbers)]
    question = newline + list(encode(form.question.format(key=keys[0])))
    values = [tuple(encode(number)) for number in numbers]
    n_text = length - 1 - sum(map(len, needles)) - len(question) - len(values[0])
    if n_text < n_needles:
        raise SearchError(f"{n_needles} needles leave no room for text in {length} tokens; ask for longer samples.")
    text = haystack.draw(rng, n_text)
    wanted = [round(depth * n_text), *rng.integers(0, n_text + 1, n_needles - 1).tolist()]
    offsets = [haystack.line_end_near(text, position) for position in wanted]

    prompt: List[int] = [begin_token_id]
    starts, done = [0] * n_needles, 0
    # Needles at the same place stand in random order, or the asked one would always come first there.
    for i in sorted(rng.permutation(n_needles).tolist(), key=lambda i: offsets[i]):
        prompt.extend(text[done : offsets[i]].tolist())
        starts[i], done = len(prompt) + len(newline), offsets[i]
        prompt.extend(needles[i])
    prompt.extend([*text[done:].tolist(), *question])
    # The asked needle leaves first place, so that no tie in a score can favour it.
    order = rng.permutation(n_needles).tolist()
    return Sample(
        np.array(prompt, dtype=np.int64), tuple(values[i] for i in order), order.index(0), depth,
        tuple(starts[i] for i in order), tuple(offsets[i] for i in order), n_text,
    )  # fmt: skip


def build_cell(
    task: SearchTask, n_needles: int, length: int, count: int, haystack: Haystack, encode: Encode, begin_token_id: int, seed: int
) -> Iterator[Sample]:
    """`count` samples, the depths in turn. Sample i is the same whatever the count."""
    for i in range(count):
        rng = np.random.default_rng([seed, zlib.crc32(task.name.encode()), n_needles, length, i])
        yield build_sample(task, n_needles, length, DEPTHS[i % len(DEPTHS)], haystack, encode, begin_token_id, rng)


def _needle(form: Form, key: str, number: str, encode: Encode) -> List[int]:
    start, value, end = (list(encode(part)) for part in (form.statement.format(key=key), number, form.end))
    if list(encode(form.statement.format(key=key) + number + form.end)) != start + value + end:
        raise SearchError(f'The tokenizer joins "{number}" with its neighbours after "{form.statement.format(key=key)}".')
    return start + value + end
