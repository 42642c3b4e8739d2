"""What people ask a fine-tuned model about: lines of text, or JSON."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from gpt1.errors import UserError
from gpt1.tasks.model import TaskModel
from gpt1.tasks.table import Task

AT_ONCE = 4096


def answers(model: TaskModel, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """An answer for each line that is not blank, in order, as `TaskModel.predict` gives it.

    A line is a JSON object with text, text_pair and choices, or the bare text. There tabs separate
    the second text of a pair, and the choices.
    """
    asked = ((number, line.rstrip("\r\n")) for number, line in _numbered(lines) if line.strip())
    while chunk := list(islice(asked, AT_ONCE)):
        rows = [(_row(model.task, number, line), f"line {number}") for number, line in chunk]
        yield from model.answers([model.example(row, where) for row, where in rows])


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            yield number, line
    except UnicodeDecodeError as error:
        raise UserError(f"after line {number}: not UTF-8 ({error.reason}); give UTF-8") from None


def written(answer: dict[str, Any]) -> str:
    """An answer for the eye: the label and every probability, or the score, between tabs."""
    if "score" in answer:
        return f"{answer['score']:.4f}"
    probabilities = (f"{name}={value:.4f}" for name, value in answer["probabilities"].items())
    return "\t".join([answer["label"], *probabilities])


def _row(task: Task, number: int, line: str) -> dict[str, Any]:
    if line.lstrip().startswith("{"):
        try:
            row: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise UserError(f"line {number}: not JSON ({error})") from None
        return row
    text, *others = line.split("\t")
    if task.shape == "multiple_choice":
        return {"text": text, "choices": others}
    if task.shape == "classification" and others:
        raise UserError(f"line {number}: {task.name} takes one text, and a tab separates two")
    return {"text": text, "text_pair": others[0] if others else None}
