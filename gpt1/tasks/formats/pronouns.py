"""Who is meant by a pronoun: DPRD (Rahman and Ng, 2012) and the Winograd schemas, zero-shot only.

`text` is what stands before the pronoun, `text_pair` what follows it, the choices take its place.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from gpt1.errors import UserError
from gpt1.tasks.formats.files import find
from gpt1.tasks.formats.reading import Reading
from gpt1.tasks.table import Example


def dprd(root: Path, reading: Reading) -> None:
    """Four lines a record: sentence, pronoun, the two candidates, the right one; then a blank."""
    for split in ("train", "test"):
        path = find(root, f"{split}.c.txt", f"*{split}*.txt")
        if path is None:
            reading.warn(f"{root.name}: no {split}.c.txt, so there is no {split} split")
            continue
        reading.files[split] = path.name
        for number, lines in enumerate(_records(path)):
            where = f"{path.name}, record {number + 1}"
            try:
                reading.add(_example(lines, split, str(number)), where)
            except ValueError as error:
                reading.drop("no such record", f"{where}: {error}")
    if not reading.examples:
        raise UserError(f"{root}: neither train.c.txt nor test.c.txt is here")


def _records(path: Path) -> Iterator[list[str]]:
    """Lines between blank ones, four at a time where a blank one is missing."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        text = path.read_text("cp1252")
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip()):
        lines = [line.strip() for line in block.splitlines()]
        for start in range(0, len(lines), 4):
            yield lines[start : start + 4]


def _example(lines: list[str], split: str, id_: str) -> Example:
    """Raises ValueError for lines that are no record."""
    if len(lines) != 4:
        raise ValueError(f"{len(lines)} lines, not sentence, pronoun, candidates, answer")
    sentence, pronoun, candidates, answer = lines
    choices = tuple(candidate.strip() for candidate in candidates.split(","))
    places = [n for n, each in enumerate(choices) if each.lower() == answer.lower()]
    if len(choices) != 2 or len(places) != 1:
        raise ValueError(f"{answer!r} is not one of two candidates, {candidates!r}")
    before, after = _around(sentence, pronoun, choices)
    return Example(split, id_, before, after, choices, float(places[0]))


def _around(sentence: str, pronoun: str, choices: tuple[str, ...]) -> tuple[str, str]:
    """The sentence up to the pronoun and after it: the first one after both candidates."""
    found = list(re.finditer(rf"\b{re.escape(pronoun)}\b", sentence, re.IGNORECASE))
    if not found:
        raise ValueError(f"the pronoun {pronoun!r} is not in the sentence")
    named = max(sentence.lower().find(choice.lower()) for choice in choices)
    place = next((match for match in found if match.start() > named), found[-1])
    return sentence[: place.start()].strip(), sentence[place.end() :].strip()


def winograd(root: Path, reading: Reading) -> None:
    """Davis's XML collection; every schema is a test example."""
    path = find(root, "WSCollection.xml", "*.xml")
    if path is None:
        raise UserError(f"{root}: no WSCollection.xml here")
    reading.files["test"] = path.name
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=False)
    try:
        schemas = etree.parse(str(path), parser).getroot().findall(".//schema")
    except etree.XMLSyntaxError as error:
        raise UserError(f"{path.name}: not XML ({error})") from None
    for number, schema in enumerate(schemas):
        where = f"{path.name}, schema {number + 1}"
        before, after = (_words(schema, f"text/{part}") for part in ("txt1", "txt2"))
        choices = tuple(" ".join((each.text or "").split()) for each in schema.iter("answer"))
        correct = _words(schema, "correctAnswer").strip(". ")
        if correct not in ("A", "B") or len(choices) != 2:
            reading.drop("no such schema", f"{where}: needs two answers, and A or B as correct")
            continue
        target = float("AB".index(correct))
        reading.add(Example("test", str(number), before, after, choices, target), where)


def _words(schema: etree._Element, path: str) -> str:
    return " ".join((schema.findtext(path) or "").split())
