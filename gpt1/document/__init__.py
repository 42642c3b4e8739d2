"""A report as data, rendered as Markdown beside PNG files and as one self-contained HTML page."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2


@dataclass(frozen=True)
class Table:
    """A table of text cells; in the HTML page a click on a column's name sorts by it."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Figure:
    """A PNG picture; `alternative` is its text for people who cannot see it."""

    name: str
    png: bytes
    caption: str
    alternative: str


Block = str | Table | Figure
"""A block of a section; a string is a paragraph."""


@dataclass(frozen=True)
class Section:
    """A heading and the blocks below it."""

    title: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        """The section's id in the HTML page."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True)
class Document:
    """A title, a paragraph that sums up, and sections."""

    title: str
    summary: str
    sections: Sequence[Section]

    def save(self, markdown: Path, page: Path) -> None:
        """Write the Markdown with its PNG files beside it, and the HTML page with them inside.

        The folder of `markdown` is created if it is missing.
        """
        markdown.parent.mkdir(parents=True, exist_ok=True)
        for figure in self.figures():
            markdown.with_name(f"{figure.name}.png").write_bytes(figure.png)
        markdown.write_text(self.markdown(), encoding="utf-8")
        page.write_text(self.html(), encoding="utf-8")

    def figures(self) -> list[Figure]:
        return [b for section in self.sections for b in section.blocks if isinstance(b, Figure)]

    def markdown(self) -> str:
        parts = [f"# {self.title}", self.summary]
        for section in self.sections:
            parts += [f"## {section.title}", *map(_markdown, section.blocks)]
        return "\n\n".join(parts) + "\n"

    def html(self) -> str:
        template = Path(__file__).with_name("page.html.jinja").read_text(encoding="utf-8")
        environment = jinja2.Environment(
            autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
        )
        return environment.from_string(template).render(document=self, kind=_kind, base64=_base64)


def _markdown(block: Block) -> str:
    if isinstance(block, str):
        return block
    if isinstance(block, Figure):
        return f"![{block.alternative}]({block.name}.png)\n\n*{block.caption}*"
    lines = [block.columns, ["---"] * len(block.columns), *block.rows]
    rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
    return f"*{block.caption}*\n\n" + "\n".join(rows)


def _kind(block: Block) -> str:
    return type(block).__name__


def _base64(png: bytes) -> str:
    return base64.b64encode(png).decode("ascii")
