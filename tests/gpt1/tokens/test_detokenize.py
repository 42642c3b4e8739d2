"""Words back to text as it is printed."""

import pytest

from gpt1.tokens.bpe import BPETokenizer
from gpt1.tokens.detokenize import detokenize, with_spaces


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("and he said , do n't go .", "and he said, don't go."),
        ('" come " , said ruth ( again ) .', '"come", said ruth (again).'),
        ("it 's here ! \n then they left ...", "it's here!\nthen they left..."),
    ],
)
def test_spaces_are_where_english_has_them(words: str, text: str) -> None:
    assert "".join(with_spaces(words.split(" "))) == text


def test_a_word_comes_when_its_last_token_has_come() -> None:
    vocab = {"<unk>": 0, "a": 1, "b": 2, "a</w>": 3, "b</w>": 4, ".</w>": 5}
    tokenizer = BPETokenizer(vocab, [])
    ids = iter([1, 4, 3, 5, 2])
    pieces = detokenize(tokenizer.symbols[id] for id in ids)
    assert next(pieces) == "ab"
    assert next(pieces) == " a"
    assert list(pieces) == [".", " b"]
