"""Readers of pronoun resolution tasks, which are zero-shot only.

DPRD (Rahman and Ng, 2012) and the Winograd schemas (Levesque et al., 2012). `text` is the sentence
before the pronoun, `text_pair` the sentence after it; the choices are the candidate referents. The
sentence after the pronoun is what is scored, so that a sentence that ends there is dropped.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from gpt1.errors import UserError, reading
from gpt1.tasks.formats.collector import ExampleCollector
from gpt1.tasks.formats.official_files import find_file
from gpt1.tasks.table import Example

CONNECTIVE = re.compile(
    r"\b(after|although|and|as|because|before|but|however|if|once|since|so|then|therefore|though|"
    r"unless|until|when|whereas|while|yet)\W+$",
    re.IGNORECASE,
)
EDITION_273 = {"test": 273}
"""The Winograd schemas as most papers score them; twelve were added later."""


def dprd(root: Path, collector: ExampleCollector) -> None:
    """Records of four lines: sentence, pronoun, two candidates, answer; then a blank line."""
    for split in ("train", "test"):
        path = find_file(root, f"{split}.c.txt", f"*{split}*.txt")
        if path is None:
            collector.warn(
                f"{collector.show(root)}: no {split}.c.txt, so there is no {split} split"
            )
            continue
        collector.files[split] = path.name
        for number, lines in enumerate(_records(path)):
            where = f"{path.name}, record {number + 1}"
            try:
                collector.add(_example(lines, split, str(number)), where)
            except ValueError as error:
                collector.drop("no such record", f"{where}: {error}")
    if not collector.examples:
        raise UserError(f"{collector.show(root)}: no train.c.txt and no test.c.txt")


def _records(path: Path) -> Iterator[list[str]]:
    """Split at blank lines, and every four lines where a blank line is missing."""
    text = "\n".join(_decoded(path).splitlines())
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = [line.strip() for line in block.splitlines()]
        for start in range(0, len(lines), 4):
            yield lines[start : start + 4]


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    with reading(path.name, "neither UTF-8 nor Windows-1252; save it as UTF-8"):
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252")
    if "\0" in text:
        raise UserError(f"{path.name}: UTF-16, or no text; save it as UTF-8")
    return text


def _example(lines: list[str], split: str, id_: str) -> Example:
    """Raises ValueError for lines that are not a record."""
    if len(lines) != 4:
        raise ValueError(f"{len(lines)} lines instead of sentence, pronoun, candidates, answer")
    sentence, pronoun, candidates, answer = lines
    choices = tuple(candidate.strip() for candidate in candidates.split(","))
    places = [n for n, each in enumerate(choices) if each.lower() == answer.lower()]
    if len(choices) != 2 or len(places) != 1:
        raise ValueError(f"{answer!r} is not one of two candidates, {candidates!r}")
    before, after = _split_at_pronoun(sentence, pronoun, choices)
    if not after:
        raise ValueError("nothing follows the pronoun, so nothing can be scored")
    return Example(split, id_, before, after, choices, float(places[0]))


def _split_at_pronoun(sentence: str, pronoun: str, choices: tuple[str, ...]) -> tuple[str, str]:
    """The sentence before and after the pronoun.

    A sentence of DPRD is a clause with both candidates, a connective, and a clause with the
    pronoun. Of several occurrences after both candidates the first that follows a connective is
    meant, else the first.
    """
    matches = _occurrences(pronoun, sentence)
    if not matches:
        raise ValueError(f"the pronoun {pronoun!r} is not in the sentence")
    firsts = [found[0].start() for choice in choices if (found := _occurrences(choice, sentence))]
    later = [match for match in matches if match.start() > max(firsts, default=0)] or matches[-1:]
    linked = [match for match in later if CONNECTIVE.search(sentence[: match.start()])]
    place = (linked or later)[0]
    return sentence[: place.start()].strip(), sentence[place.end() :].strip()


def _occurrences(words: str, sentence: str) -> list[re.Match[str]]:
    return list(re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", sentence, re.IGNORECASE))


def winograd(root: Path, collector: ExampleCollector) -> None:
    """Davis's XML collection; each schema is one test example."""
    path = find_file(root, "WSCollection.xml", "*.xml")
    if path is None:
        raise UserError(f"{collector.show(root)}: no WSCollection.xml")
    collector.files["test"] = path.name
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=False)
    try:
        schemas = etree.parse(str(path), parser).getroot().findall(".//schema")
    except etree.XMLSyntaxError as error:
        raise UserError(f"{path.name}: not XML ({error})") from None
    if len(schemas) == EDITION_273["test"]:
        collector.published_sizes = EDITION_273
    for number, schema in enumerate(schemas):
        where = f"{path.name}, schema {number + 1}"
        before, after = (_words(schema, f"text/{part}") for part in ("txt1", "txt2"))
        choices = tuple(" ".join((each.text or "").split()) for each in schema.iter("answer"))
        correct = _words(schema, "correctAnswer").strip(". ")
        if correct not in ("A", "B") or len(choices) != 2:
            collector.drop("no such schema", f"{where}: needs two answers, and A or B as correct")
            continue
        if not after:
            collector.drop("no such schema", f"{where}: nothing follows the pronoun")
            continue
        target = float("AB".index(correct))
        collector.add(Example("test", str(number), before, after, choices, target), where)


def _words(schema: etree._Element, path: str) -> str:
    return " ".join((schema.findtext(path) or "").split())
