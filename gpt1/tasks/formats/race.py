"""Reader of RACE: a folder for each split and level, a file for each article (Lai et al., 2017)."""

import json
from pathlib import Path

from gpt1.errors import UserError
from gpt1.tasks.formats.collector import ExampleCollector
from gpt1.tasks.table import Example

LEVELS = ("middle", "high")
KEYS = ("article", "questions", "options", "answers")


def race(root: Path, collector: ExampleCollector) -> None:
    """Each question is one example; its level is its group."""
    for split in ("train", "dev", "test"):
        for level in LEVELS:
            folder = _folder(root, split, level)
            for path in sorted(folder.glob("*.txt")) if folder else []:
                _collect_article(path, split, level, collector)
        if not any(example.split == split for example in collector.examples):
            raise UserError(
                f"{collector.show(root)}: no {split}/middle/*.txt and no {split}/high/*.txt"
            )
        collector.files[split] = f"{split}/"


def _folder(root: Path, split: str, level: str) -> Path | None:
    folders = [path for path in root.rglob(level) if path.is_dir() and path.parent.name == split]
    return min(folders, key=lambda path: (len(path.parts), str(path)), default=None)


def _collect_article(path: Path, split: str, level: str, collector: ExampleCollector) -> None:
    where = f"{split}/{level}/{path.name}"
    try:
        article = json.loads(path.read_text("utf-8-sig"))
        columns = [article[key] for key in KEYS[1:]]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{where}: not a RACE article with {', '.join(KEYS)} ({error})") from None
    if len(set(map(len, columns))) != 1:
        counts = ", ".join(f"{len(c)} {key}" for key, c in zip(KEYS[1:], columns, strict=True))
        raise UserError(f"{where}: {counts}; each question needs one of each")
    for number, (question, options, answer) in enumerate(zip(*columns, strict=True)):
        place = f"{where}, question {number + 1}"
        target = collector.parse_target(answer, place)
        id_ = f"{level}/{path.stem}/{number}"
        choices = tuple(options)
        collector.add(
            Example(split, id_, article["article"], question, choices, target, level), place
        )
