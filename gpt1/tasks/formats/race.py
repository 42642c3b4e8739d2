"""Reader of RACE: a folder for each split and level, a file for each article (Lai et al., 2017)."""

import json
from pathlib import Path
from typing import Any

from gpt1.errors import UserError, reading
from gpt1.tasks.formats.collector import ExampleCollector
from gpt1.tasks.formats.official_files import is_macos_metadata
from gpt1.tasks.table import Example

LEVELS = ("middle", "high")
KEYS = ("article", "questions", "options", "answers")


def race(root: Path, collector: ExampleCollector) -> None:
    """Each question is one example; its level is its group."""
    for split in ("train", "dev", "test"):
        for level in LEVELS:
            folder = _folder(root, split, level)
            for path in sorted(folder.glob("*.txt")) if folder else []:
                if not is_macos_metadata(path):
                    _collect_article(path, split, level, collector)
        if not any(example.split == split for example in collector.examples):
            raise UserError(
                f"{collector.show(root)}: no {split}/middle/*.txt and no {split}/high/*.txt"
            )
        collector.files[split] = f"{split}/"


def _folder(root: Path, split: str, level: str) -> Path | None:
    found = (path for path in root.rglob(level) if path.is_dir() and path.parent.name == split)
    folders = [path for path in found if not is_macos_metadata(path)]
    return min(folders, key=lambda path: (len(path.parts), str(path)), default=None)


def _collect_article(path: Path, split: str, level: str, collector: ExampleCollector) -> None:
    where = f"{split}/{level}/{path.name}"
    with reading(where, "not JSON ({})"):
        article = json.loads(path.read_text("utf-8-sig"))
    _check_article(article, where)
    columns = [article[key] for key in KEYS[1:]]
    for number, (question, options, answer) in enumerate(zip(*columns, strict=True)):
        place = f"{where}, question {number + 1}"
        target = collector.parse_target(answer, place)
        id_ = f"{level}/{path.stem}/{number}"
        choices = tuple(options)
        collector.add(
            Example(split, id_, article["article"], question, choices, target, level), place
        )


def _check_article(article: Any, where: str) -> None:
    """Raises UserError for keys that are missing, hold other types, or differ in length."""
    no_article = f"{where}: not a RACE article with {', '.join(KEYS)}"
    if not isinstance(article, dict) or not isinstance(article.get("article"), str):
        raise UserError(f"{no_article}; `article` is no text")
    columns: list[Any] = [article.get(key) for key in KEYS[1:]]
    for key, column in zip(KEYS[1:], columns, strict=True):
        if not isinstance(column, list):
            raise UserError(f"{no_article}; `{key}` is no list")
        texts = column if key != "options" else [c for each in column for c in _options(each)]
        if not all(isinstance(text, str) for text in texts):
            raise UserError(f"{no_article}; `{key}` holds what is no text")
    if len(set(map(len, columns))) != 1:
        counts = ", ".join(f"{len(c)} {key}" for key, c in zip(KEYS[1:], columns, strict=True))
        raise UserError(f"{where}: {counts}; each question needs one of each")


def _options(each: Any) -> list[Any]:
    return each if isinstance(each, list) else [None]
