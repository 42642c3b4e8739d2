"""The surprisal of each word of a text, for comparison with reading times.

The surprisal of a word is -log2 p(word | the text before it) in bits: the sum over its tokens. A
word is what white space separates in the text as it was given, with the punctuation attached to it.

- A token is predicted from those before it in its window of `context` tokens. Windows overlap by
  half, so that at least half of the context precedes each token, where the text has so much.
- GPT-1 has learned no token for a beginning. As in the perplexity, the first token of a text is
  given, not predicted, so that the first word has no surprisal. GPT-2 reads `<|endoftext|>` first.
- The last token of a word marks its end in GPT-1's vocabulary. In GPT-2's the first token marks the
  space before the word, so that the sum over its tokens has the end of the word before and lacks
  its own. Pimentel and Meister (2024, "How to Compute the Probability of a Word") and Oh and
  Schuler (2024) correct this:

      p(word | before) = p(tokens | before) * p(space | before, tokens) / p(space | before)

  p(space) is the probability that the next token begins with white space or is `<|endoftext|>`. The
  divisor is 1 - p(space) for a word whose first token begins with none, as at the start of a text.
- Tokens of white space alone (line ends, further spaces) are read, and are part of no word.
"""

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from gpt1.analysis.zero_shot.scoring import Question, Scores, score
from gpt1.errors import UserError, one_line
from gpt1.files import publish
from gpt1.model.language_model import LanguageModel
from gpt1.tasks.formats.rows import TABLES, lines, table_rows
from gpt1.tokens.bpe import BPETokenizer
from gpt1.tokens.byte_level import ByteLevelTokenizer

COLUMN = "text"
SCHEMA = pa.schema(
    [
        ("text_number", pa.int32()),
        ("word_number", pa.int32()),
        ("word", pa.string()),
        ("tokens", pa.list_(pa.string())),
        ("surprisal_bits", pa.float64()),
    ]
)
"""Both numbers begin with 1; a text's is that of its line or row in the file, blank or not."""
TOKENS_AT_ONCE = 8192
"""Tokens that are predicted between two steps of the progress bar."""


@dataclass(frozen=True)
class Word:
    text: str
    """As it was given."""
    tokens: list[str]
    """Symbols of the vocabulary. Empty where the tokenizer's repair of a text removed the word, or
    joined it to the one before."""
    bits: float | None
    """The surprisal; None without tokens, and with a token that is given, not predicted."""


def read_texts(file: Path) -> list[str]:
    """The lines of a text file, or the column `text` of a CSV, TSV, JSON lines or Parquet file.

    Raises UserError when the file is missing, is not UTF-8, has no such column or not a word.
    """
    if not file.is_file():
        raise UserError(f"{file}: no such file; name a text file, one text a line, or a table")
    if file.suffix.lower() == ".json":
        raise UserError(f"{file}: not a text file; use {', '.join(TABLES)}, or one text a line")
    if file.suffix.lower() in TABLES:
        texts = [_text(row.where, row.values, row.header) for row in table_rows(file)]
    else:
        texts = list(lines(file))
    if any("\0" in text for text in texts):
        raise UserError(f"{file}: not a text file: there is a zero byte in it")
    if not any(map(str.strip, texts)):
        raise UserError(f"{file}: there is no word in it")
    return texts


def write_surprisals(texts: Iterable[Sequence[Word]], out: Path) -> int:
    """Publish the words of each text as Parquet, in the columns of `SCHEMA`; return their number.

    Raises UserError where there can be no such file, before the first text is asked for.
    """
    try:
        with publish(out) as beside, pq.ParquetWriter(beside, SCHEMA) as writer:
            batches = [_batch(number, words) for number, words in enumerate(texts, 1)]
            writer.write_table(pa.Table.from_batches(batches, SCHEMA).combine_chunks())
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({one_line(error)})") from None
    return sum(len(batch) for batch in batches)


def word_surprisals(
    model: LanguageModel, tokenizer: BPETokenizer | ByteLevelTokenizer, texts: Sequence[str]
) -> Iterator[list[Word]]:
    """Yield the words of each text in order; shows a progress bar.

    Raises UserError when model and vocabulary do not belong together.
    """
    if len(tokenizer) > model.config.vocab:
        raise UserError(
            f"the model has {model.config.vocab} token rows and the vocabulary {len(tokenizer)}; "
            "they do not belong together"
        )
    classes = None
    if isinstance(tokenizer, ByteLevelTokenizer):
        classes = np.zeros(model.config.vocab, bool)  # a fine-tuned model has rows beyond
        classes[: len(tokenizer)] = tokenizer.begins_with_space()
    aligned = [align(text, tokenizer) for text in texts]
    windows = [list(_windows(text.ids, model.config.context)) for text in aligned]
    scores = _scores(model, [each for found in windows for each in found], classes)
    for text, found in zip(aligned, windows, strict=True):
        bits = _bits(text, [next(scores) for _ in found])
        tokens = [[tokenizer.symbols[text.ids[place]] for place in own] for own in text.places]
        yield list(map(Word, text.words, tokens, bits))


def _batch(number: int, words: Sequence[Word]) -> pa.RecordBatch:
    columns: list[Sequence[object]] = [
        [number] * len(words),
        range(1, len(words) + 1),
        [word.text for word in words],
        [word.tokens for word in words],
        [word.bits for word in words],
    ]
    return pa.record_batch(columns, schema=SCHEMA)


def _text(where: str, values: dict[str, object], header: Sequence[str]) -> str:
    """The text of a row; half of a surrogate pair, which JSON can hold, becomes U+FFFD."""
    if list(header).count(COLUMN) > 1:
        raise UserError(f"{where}: two columns are called {COLUMN}; rename one")
    if COLUMN not in (known := header or [*values]):
        raise UserError(f"{where}: no column {COLUMN}; there are {', '.join(known)}")
    text = values.get(COLUMN)
    if not isinstance(text, str):
        raise UserError(f"{where}: {COLUMN} is {text!r}, not a text")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@dataclass(frozen=True)
class Alignment:
    """The tokens of a text, and which of them are of which word."""

    words: list[str]
    ids: list[int]
    """As the network reads them: GPT-2's stand between `<|endoftext|>` and a space."""
    places: list[list[int]]
    """For each word, the indices of its tokens in `ids`."""


def align(text: str, tokenizer: BPETokenizer | ByteLevelTokenizer) -> Alignment:
    """Encode a text, and find the word of each token: the first that has some of its characters.

    The space before a word is part of it where GPT-2 has no token of both, as before `日`.
    """
    spans = [found.span() for found in re.finditer(r"\S+", text)]
    places: list[list[int]] = [[] for _ in spans]
    ids, offsets = tokenizer.encode_offsets(text) if spans else ([], [])
    before: list[int] = []
    if spans and isinstance(tokenizer, ByteLevelTokenizer):
        before = [] if tokenizer.end_of_text is None else [tokenizer.end_of_text]
        ids = [*before, *ids, *tokenizer.encode(" ")]  # of the space only its class is asked for
    ends = [end for _, end in spans]
    for place, (start, end) in enumerate(offsets, len(before)):
        word = bisect_right(ends, start)  # the first that ends behind the token's start
        if word < len(spans) and spans[word][0] < end + (text[start:end] == " "):
            places[word].append(place)
    return Alignment([text[start:end] for start, end in spans], ids, places)


def _bits(aligned: Alignment, scores: Sequence[Scores]) -> Iterator[float | None]:
    """The surprisal of each word, from the scores of the text's windows."""
    log_p = np.concatenate([[np.nan], *(each.log_probabilities for each in scores)])
    of_class = np.concatenate([[0.0], *(each.of_class for each in scores), [0.0]])
    for places in aligned.places:
        if not places or places[0] == 0:  # the first token of `ids` is given
            yield None
        else:
            end = of_class[places[-1] + 1] - of_class[places[0]]
            yield float(-(log_p[places].sum() + end) / math.log(2))


def _windows(ids: Sequence[int], context: int) -> Iterator[Question]:
    """Windows that predict each token but the first once: `context` tokens, then half as many."""
    start = 1
    while start < len(ids):
        stop = min(len(ids), start + (context if start == 1 else max(1, context // 2)))
        yield Question(ids[max(0, stop - 1 - context) : start], [ids[start:stop]])
        start = stop


def _scores(
    model: LanguageModel, windows: Sequence[Question], classes: np.ndarray | None
) -> Iterator[Scores]:
    """The scores of each window, in order."""
    ends = np.cumsum([len(window.continuations[0]) for window in windows])
    with tqdm(desc="surprisal", total=int(ends[-1]), unit=" tokens", unit_scale=True) as bar:
        numbered = zip(ends // TOKENS_AT_ONCE, windows, strict=True)
        for _, part in groupby(numbered, key=itemgetter(0)):
            for [scores] in score(model, [window for _, window in part], classes):
                bar.update(len(scores.greedy))
                yield scores
