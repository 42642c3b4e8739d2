"""Lines of text or JSON that people ask a fine-tuned model about (`gpt1 predict`)."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from gpt1.errors import UserError
from gpt1.tasks.model import TaskModel
from gpt1.tasks.table import Task

OBJECT = re.compile(r"""\s*\{\s*["']\w+["']\s*:""")
LINES_AT_ONCE = 4096
"""Answered together, so that files of any length are answered in bounded memory."""


def answers(model: TaskModel, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Answer each line that is not blank, in order, as `TaskModel.predict` does.

    A line is a JSON object with text, text_pair and choices, or plain text, in which tabs separate
    the second text of a pair, or the choices. A line that begins as an object does, with `{"key":`,
    must be one. Raises UserError that names the line.
    """
    numbered = ((number, line.rstrip("\r\n")) for number, line in _numbered(lines) if line.strip())
    while chunk := list(islice(numbered, LINES_AT_ONCE)):
        rows = [(_row(model.task, number, line), f"line {number}") for number, line in chunk]
        yield from model.answers([model.parse_row(row, where) for row, where in rows])


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            yield number, line.removeprefix("\ufeff") if number == 1 else line
    except UnicodeDecodeError as error:
        raise UserError(
            f"the texts are not UTF-8 after line {number} ({error.reason}); save them as UTF-8"
        ) from None


def format_answer(answer: dict[str, Any]) -> str:
    """One line, separated by tabs: the label and all probabilities, or the score."""
    if "score" in answer:
        return f"{answer['score']:.4f}"
    probabilities = (f"{name}={value:.4f}" for name, value in answer["probabilities"].items())
    return "\t".join([answer["label"], *probabilities])


def _row(task: Task, number: int, line: str) -> dict[str, Any]:
    if line.lstrip().startswith("{"):
        try:
            row: dict[str, Any] = json.loads(line)
            return row
        except (ValueError, RecursionError) as error:
            if OBJECT.match(line):
                raise UserError(f"line {number}: not JSON ({error})") from None
    text, *others = line.split("\t")
    if task.shape == "multiple_choice":
        return {"text": text, "choices": others}
    if task.shape == "classification" and others:
        raise UserError(f"line {number}: {task.name} takes one text, but a tab separates two")
    return {"text": text, "text_pair": others[0] if others else None}
