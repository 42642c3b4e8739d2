"""RACE: a folder for each split and level, a JSON file for each article (Lai et al., 2017)."""

import json
from pathlib import Path

from gpt1.errors import UserError
from gpt1.tasks.formats.reading import Reading
from gpt1.tasks.table import Example

LEVELS = ("middle", "high")
KEYS = ("article", "questions", "options", "answers")


def race(root: Path, reading: Reading) -> None:
    """Each question is an example; its level is its group."""
    for split in ("train", "dev", "test"):
        for level in LEVELS:
            folder = _folder(root, split, level)
            for path in sorted(folder.glob("*.txt")) if folder else []:
                _article(path, split, level, reading)
        if not any(example.split == split for example in reading.examples):
            raise UserError(f"{root}: no {split}/middle/*.txt and no {split}/high/*.txt here")
        reading.files[split] = f"{split}/"


def _folder(root: Path, split: str, level: str) -> Path | None:
    found = [path for path in root.rglob(level) if path.is_dir() and path.parent.name == split]
    return min(found, key=lambda path: (len(path.parts), str(path)), default=None)


def _article(path: Path, split: str, level: str, reading: Reading) -> None:
    where = f"{split}/{level}/{path.name}"
    try:
        article = json.loads(path.read_text("utf-8-sig"))
        columns = [article[key] for key in KEYS[1:]]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{where}: not a RACE article with {', '.join(KEYS)} ({error})") from None
    if len(set(map(len, columns))) != 1:
        counts = ", ".join(f"{len(c)} {key}" for key, c in zip(KEYS[1:], columns, strict=True))
        raise UserError(f"{where}: {counts}; there must be one of each for a question")
    for number, (question, options, answer) in enumerate(zip(*columns, strict=True)):
        place = f"{where}, question {number + 1}"
        target = reading.target(answer, place)
        id_ = f"{level}/{path.stem}/{number}"
        choices = tuple(options)
        reading.add(
            Example(split, id_, article["article"], question, choices, target, level), place
        )
