"""Books as EPUB: the text of the pages in reading order."""

import io
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from gpt1.corpus.sources.book import MAX_BYTES, Book, too_large

if TYPE_CHECKING:
    from lxml.etree import _Element

_BLOCKS = {"p", "div", "li", "blockquote", "tr", "pre", "section", *(f"h{n}" for n in range(1, 7))}
"""Elements that begin and end a paragraph."""
_SKIPPED = {"script", "style", "head", "nav", "title"}


def read_epub(name: str, origin: str, content: bytes) -> Book:
    """Read a book with one paragraph a line, its pages in the order of the EPUB's spine.

    A broken file, or one above `MAX_BYTES` unpacked, gives a book with a drop reason.
    """
    from lxml.etree import LxmlError

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
                return Book(name, origin, "", too_large())
            pages = [_page_text(archive.read(page)) for page in _page_paths(archive)]
    except (zipfile.BadZipFile, KeyError, zlib.error, EOFError, LxmlError, StopIteration) as error:
        return Book(name, origin, "", f"broken EPUB: {error}")
    return Book(name, origin, "\n\n".join(page for page in pages if page))


def _page_paths(archive: zipfile.ZipFile) -> Iterator[str]:
    """Yield the archive paths of the pages in reading order (the package's `spine`)."""
    package = next(_tagged(_xml(archive.read("META-INF/container.xml")), "rootfile"))
    path = package.get("full-path", "")
    tree = _xml(archive.read(path))
    items = {item.get("id"): item.get("href", "") for item in _tagged(tree, "item")}
    for reference in _tagged(tree, "itemref"):
        href = unquote(items[reference.get("idref")])
        yield posixpath.normpath(posixpath.join(posixpath.dirname(path), href))


def _page_text(page: bytes) -> str:
    """The text of one XHTML page, a line for each block element."""
    from lxml import html

    if not page.strip():
        return ""
    lines = [""]
    _append_text(html.document_fromstring(page, parser=html.HTMLParser(encoding="utf-8")), lines)
    return "\n".join(filter(None, (" ".join(line.split()) for line in lines)))


def _append_text(element: Any, lines: list[str]) -> None:
    """Append the text of `element` and its children to `lines`; a block starts a new line."""
    if not isinstance(element.tag, str) or element.tag in _SKIPPED:
        return
    block = element.tag in _BLOCKS
    if block or element.tag == "br":
        lines.append("")
    lines[-1] += element.text or ""
    for child in element:
        _append_text(child, lines)
        lines[-1] += child.tail or ""
    if block:
        lines.append("")


def _xml(content: bytes) -> "_Element":
    """Parse XML from a stranger: no external entities, no network."""
    from lxml import etree

    return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))


def _tagged(tree: "_Element", name: str) -> Iterator["_Element"]:
    """Yield the elements called `name` in any namespace."""
    return tree.iter(f"{{*}}{name}")
