"""Books as EPUB: the text of its pages in reading order."""

import io
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from gpt1.corpus.sources.book import LARGEST, Book, too_large

if TYPE_CHECKING:
    from lxml.etree import _Element

_BLOCKS = {
    "p",
    "div",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "li",
    "blockquote",
    "tr",
    "pre",
    "section",
}
_SKIPPED = {"script", "style", "head", "nav", "title"}


def read(name: str, origin: str, content: bytes) -> Book:
    """One paragraph a line; the order is that of the package's spine."""
    from lxml.etree import LxmlError

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST:
                return Book(name, origin, "", too_large())
            pages = [_text(archive.read(page)) for page in _spine(archive)]
    except (zipfile.BadZipFile, KeyError, zlib.error, EOFError, LxmlError, StopIteration) as error:
        return Book(name, origin, "", f"broken EPUB: {error}")
    return Book(name, origin, "\n\n".join(page for page in pages if page))


def _spine(archive: zipfile.ZipFile) -> Iterator[str]:
    package = next(_tagged(_xml(archive.read("META-INF/container.xml")), "rootfile"))
    path = package.get("full-path", "")
    tree = _xml(archive.read(path))
    items = {item.get("id"): item.get("href", "") for item in _tagged(tree, "item")}
    for reference in _tagged(tree, "itemref"):
        href = unquote(items[reference.get("idref")])
        yield posixpath.normpath(posixpath.join(posixpath.dirname(path), href))


def _text(page: bytes) -> str:
    from lxml import html

    if not page.strip():
        return ""
    lines = [""]
    _collect(html.document_fromstring(page, parser=html.HTMLParser(encoding="utf-8")), lines)
    return "\n".join(filter(None, (" ".join(line.split()) for line in lines)))


def _collect(element: Any, lines: list[str]) -> None:
    if not isinstance(element.tag, str) or element.tag in _SKIPPED:
        return
    block = element.tag in _BLOCKS
    if block or element.tag == "br":
        lines.append("")
    lines[-1] += element.text or ""
    for child in element:
        _collect(child, lines)
        lines[-1] += child.tail or ""
    if block:
        lines.append("")


def _xml(content: bytes) -> "_Element":
    from lxml import etree

    return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))


def _tagged(tree: "_Element", name: str) -> Iterator["_Element"]:
    return tree.iter(f"{{*}}{name}")
