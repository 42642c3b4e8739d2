import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpt1.errors import UserError
from gpt1.tokens.bpe import BPETokenizer

TEXT = "The lord said, let us go up; and the people went up with the lord.\nAnd he said: go!\n"


@pytest.fixture(scope="module")
def tokenizer() -> BPETokenizer:
    return BPETokenizer.train([TEXT], 20)


def test_the_vocabulary_is_laid_out_as_the_released_one(tokenizer: BPETokenizer) -> None:
    symbols = sorted(tokenizer.vocab, key=tokenizer.vocab.__getitem__)
    characters = sorted(set(TEXT.lower()) - {" ", "\n"})
    assert symbols[0] == "<unk>"
    assert symbols[1 : 1 + len(characters)] == characters
    base = 1 + 2 * len(characters)
    assert symbols[1 + len(characters) : base] == [c + "</w>" for c in characters]
    assert symbols[base:-1] == [a + b for a, b in tokenizer.merges]
    assert symbols[-1] == "\n</w>"
    assert list(tokenizer.vocab.values()) == list(range(len(tokenizer)))


def test_training_gives_the_same_files_in_every_process(tmp_path: Path) -> None:
    # Every pair of these words is as frequent as any other: nothing but ties.
    script = (
        "import sys; from pathlib import Path; from gpt1.tokens.bpe import BPETokenizer;"
        "words = ' '.join(a + b + c for a in 'abcdef' for b in 'ghijkl' for c in 'mnopqr');"
        "out = Path(sys.argv[1]); out.mkdir(); BPETokenizer.train([words], 60).save(out)"
    )
    for name, threads in [("one", "1"), ("two", "2"), ("three", "2")]:
        environment = os.environ | {"RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        command = [sys.executable, "-c", script, str(tmp_path / name)]
        subprocess.run(command, env=environment, check=True)
    for file in ("vocab.json", "merges.txt"):
        contents = {(tmp_path / name / file).read_bytes() for name in ("one", "two", "three")}
        assert len(contents) == 1


def test_a_saved_vocabulary_comes_back(tokenizer: BPETokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    again = BPETokenizer.load(tmp_path)
    assert (again.vocab, again.merges) == (tokenizer.vocab, tokenizer.merges)
    assert again.encode(TEXT) == tokenizer.encode(TEXT)


def test_text_comes_back_lower_cased_with_single_spaces(tokenizer: BPETokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("The Lord\n\nsaid:  go!")) == "the lord\nsaid : go !"


def test_unknown_characters_are_id_0(tokenizer: BPETokenizer) -> None:
    assert tokenizer.encode("\u4e2d") == [0]


def test_more_merges_than_there_are_pairs_are_refused() -> None:
    with pytest.raises(UserError, match=r"bpe\.merges = 50, .* only 1 "):
        BPETokenizer.train(["ab ab"], 50)


def test_a_folder_without_vocabulary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"vocab\.json"):
        BPETokenizer.load(tmp_path)
    (tmp_path / "vocab.json").write_text(json.dumps({"a": 1})[:-1])
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(UserError, match="copy both again"):
        BPETokenizer.load(tmp_path)
