"""Books as EPUB: the text of the pages in reading order."""

import io
import posixpath
import re
import unicodedata
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote

from gpt1.corpus.sources import book
from gpt1.corpus.sources.encoding import Decoded, declared_encoding, decode
from gpt1.corpus.sources.page import Page, read_page
from gpt1.corpus.sources.unreadable import UnreadableError, reading
from gpt1.corpus.sources.zip import members, open_zip, read_member

if TYPE_CHECKING:
    from lxml.etree import _Element

_GUIDE_KINDS = {
    **dict.fromkeys(("toc", "loi", "lot", "lov"), "navigation"),
    **dict.fromkeys(("copyright-page", "colophon"), "licence"),
}
"""Types of the references in the `guide` of an EPUB 2."""
_CONTENTS = re.compile(r"(table of )?contents\b", re.IGNORECASE)
_LICENCE_HEAD = re.compile(
    r"full (project gutenberg )?licen[sc]e|\*\*\* ?END OF (THE|THIS) PROJECT"
    r"|(creative commons|gnu) .{0,60}licen[sc]e",
    re.IGNORECASE,
)
_LICENCE = re.compile(
    r"all rights reserved|\bISBN\b|creative commons|project gutenberg\W{0,4}(tm)? licen[sc]e"
    r"|licensed for your personal|no part of this (book|publication)|©|\(c\) ?\d{4}"
    r"|\bcopyright\W+(\d{4}|by)\b",
    re.IGNORECASE,
)
_LICENCE_PATH = re.compile(r"(^|[\W_])(un)?(copyright|licen[sc]e|colophon|imprint)[^/]*$")
HEAD = 200
"""Characters at the start of a page in which a licence of any length names itself."""
LISTED = 10
"""Pages that a note names."""
LICENCE_WORDS = 400
"""A longer page that mentions rights has other text too."""


def read_epub(content: bytes) -> tuple[Decoded, str, str]:
    """Return the text, a line for each paragraph in the order of the spine.

    Also a note on pages that cannot be read, and one on those left out as no part of the book. A
    page that cannot be read costs only itself. Raises UnreadableError if none can be read, or if
    pages are encrypted.
    """
    pages: dict[str, Page] = {}
    tried: dict[str, None] = {}
    lost: list[str] = []
    with open_zip(io.BytesIO(content), "EPUB") as archive:
        package = _Package(archive)
        if package.size() > book.MAX_BYTES:
            raise UnreadableError(book.too_large())
        for path in package.spine:
            try:
                content = package.read(path)
                decoded = decode(content, declared_encoding(content))
                pages[path] = read_page(decoded.text)
            except UnreadableError as error:
                lost.append(f"{path}: {error}")
                continue
            tried |= dict.fromkeys(decoded.tried)
    if not pages:
        raise UnreadableError(f"broken EPUB: no page can be read; {_listed(lost) or 'it has none'}")
    said = {path: package.kinds.get(path, "") for path in pages}
    kinds = {path: said[path] or _boilerplate(path, page) for path, page in pages.items()}
    if not any(page.text and not kinds[path] for path, page in pages.items()):
        kinds = said  # a tale of one page with a notice in it
    left_out = [f"{path} ({kind})" for path, kind in kinds.items() if kind]
    texts = [page.text for path, page in pages.items() if page.text and not kinds[path]]
    note = f"unreadable pages: {_listed(lost)}" if lost else ""
    return Decoded("\n\n".join(texts), tuple(tried)), note, _listed(left_out)


class _Package:
    """What an EPUB says about its files.

    spine: the paths of the pages in reading order, each once.
    kinds: path -> navigation or licence, for pages that are said to be that.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members = {_folded(name): member for name, member in members(archive)}
        container = _xml(self.read("META-INF/container.xml"))
        path = next((root.get("full-path", "") for root in _tagged(container, "rootfile")), "")
        self._folder = posixpath.dirname(path)
        tree = _xml(self.read(path))
        self.spine: dict[str, None] = {}
        self.kinds: dict[str, str] = {}
        self._read_spine(tree)
        self._read_guide(tree)
        self._refuse_encrypted()

    def size(self) -> int:
        """The bytes of the unpacked pages by their headers, of which zipfile reads no more."""
        found = (self._members.get(_folded(page)) for page in self.spine)
        return sum(member.file_size for member in found if member)

    def read(self, path: str) -> bytes:
        """Unpack a file. Raises UnreadableError if there is none, or it is broken."""
        member = self._members.get(_folded(path))
        if member is None:
            raise UnreadableError(f"broken EPUB: no {path or 'package'} in it")
        return read_member(self._archive, member)

    def _path(self, href: str) -> str:
        """The path of a file that the package refers to, as a URL relative to itself."""
        return posixpath.normpath(posixpath.join(self._folder, unquote(href.partition("#")[0])))

    def _read_spine(self, tree: "_Element") -> None:
        items = {item.get("id"): dict(item.attrib) for item in _tagged(tree, "item")}
        for reference in _tagged(tree, "itemref"):
            name = reference.get("idref", "")
            item = items.get(name, {"href": name})  # named by its id, it is told as missing
            page = self._path(item.get("href", ""))
            self.spine[page] = None
            if "nav" in item.get("properties", "").split():
                self.kinds[page] = "navigation"

    def _read_guide(self, tree: "_Element") -> None:
        for reference in _tagged(tree, "reference"):
            kind, href = _GUIDE_KINDS.get(reference.get("type", "")), reference.get("href", "")
            if kind and "#" not in href:  # which would be a part of a page
                self.kinds[self._path(href)] = kind

    def _refuse_encrypted(self) -> None:
        """Raise UnreadableError if pages are encrypted; fonts alone often are, to protect them."""
        if _folded("META-INF/encryption.xml") not in self._members:
            return
        tree = _xml(self.read("META-INF/encryption.xml"))
        paths = (unquote(cipher.get("URI", "")) for cipher in _tagged(tree, "CipherReference"))
        encrypted = {_folded(posixpath.normpath(path)) for path in paths}
        pages = sum(_folded(page) in encrypted for page in self.spine)
        if pages:
            raise UnreadableError(f"encrypted: {pages} of {len(self.spine)} pages, by DRM")


def _boilerplate(path: str, page: Page) -> str:
    """What a page is if not a part of the book; "" for a part of it."""
    if page.linked > 0.5 or (page.linked and _CONTENTS.match(page.text)):
        return "navigation"
    if page.skipped and not page.text:
        return "navigation or licence"
    if _LICENCE_HEAD.search(page.text[:HEAD]):
        return "licence"
    if not page.text or len(page.text.split()) > LICENCE_WORDS:
        return ""
    return "licence" if _LICENCE.search(page.text) or _LICENCE_PATH.search(path) else ""


def _listed(items: list[str]) -> str:
    more = f" and {len(items) - LISTED} more" if len(items) > LISTED else ""
    return ", ".join(items[:LISTED]) + more


def _folded(path: str) -> str:
    """`path` with one spelling for names that are equal on the systems that EPUBs come from."""
    return unicodedata.normalize("NFC", path).casefold()


def _xml(content: bytes) -> "_Element":
    """Parse XML from a stranger, mended where it is broken: no external entities, no network."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
    with reading("EPUB"):
        tree = etree.fromstring(content, parser)
    if tree is None:
        raise UnreadableError("broken EPUB: no XML where it describes its pages")
    return tree


def _tagged(tree: "_Element", name: str) -> Iterator["_Element"]:
    """Yield the elements called `name` in any namespace."""
    return tree.iter(f"{{*}}{name}")
