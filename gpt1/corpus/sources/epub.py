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
from gpt1.corpus.sources.frontmatter import front_matter
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
LISTED = 10
"""Pages that a note names."""
MUCH_LEFT_OUT = 0.1
"""Share of the words on pages left out above which a note says so."""


def read_epub(content: bytes) -> tuple[Decoded, str, str]:
    """Return the text, a line for each paragraph in the order of the spine.

    Also a note on pages that cannot be read, and one on those left out as no part of the book. A
    page that cannot be read costs only itself. Raises UnreadableError if none can be read, or if
    pages are encrypted.
    """
    pages: dict[str, Page] = {}
    tried: dict[str, None] = {}
    guessed = False
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
            guessed |= decoded.guessed
    if not pages:
        raise UnreadableError(f"broken EPUB: no page can be read; {_listed(lost) or 'it has none'}")
    texts, kinds = _sorted(pages, package.kinds)
    left_out = _listed([f"{path} ({kind})" for path, kind in kinds.items()])
    words = sum(len(page.text.split()) for page in pages.values())
    share = 1 - sum(len(text.split()) for text in texts) / words if words else 0.0
    notes = [f"unreadable pages: {_listed(lost)}"] if lost else []
    if share > MUCH_LEFT_OUT:
        notes.append(f"{100 * share:.0f} % of its words left out: {left_out}")
    return Decoded("\n\n".join(texts), tuple(tried), guessed), "; ".join(notes), left_out


def _sorted(pages: dict[str, Page], said: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return the texts of the book, and path -> kind of the pages that are no part of it."""
    found = {path: front_matter(path, page, said.get(path, "")) for path, page in pages.items()}
    if not any(text for _, text in found.values()):  # a tale of one page with a notice in it
        found |= {p: ("", pages[p].text) for p, (kind, _) in found.items() if kind == "licence"}
    if not any(text for _, text in found.values()):
        found = {path: ("", page.text) for path, page in pages.items()}
    kinds = {
        path: kind or "list of links"
        for path, (kind, text) in found.items()
        if kind or text != pages[path].text
    }
    return [text for _, text in found.values() if text], kinds


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
        path = _plain(path)
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
        url = href.strip().partition("#")[0].replace("\\", "/")
        path = _plain(posixpath.join(self._folder, unquote(url)))
        if _folded(path) in self._members:  # its name may have a question mark
            return path
        return _plain(posixpath.join(self._folder, unquote(url.partition("?")[0])))

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
        encrypted = {_folded(path) for path in paths}
        pages = sum(_folded(page) in encrypted for page in self.spine)
        if pages:
            raise UnreadableError(f"encrypted: {pages} of {len(self.spine)} pages, by DRM")


def _listed(items: list[str]) -> str:
    more = f" and {len(items) - LISTED} more" if len(items) > LISTED else ""
    return ", ".join(items[:LISTED]) + more


def _folded(path: str) -> str:
    """`path` with one spelling for names that are equal on the systems that EPUBs come from."""
    return unicodedata.normalize("NFC", _plain(path)).casefold()


def _plain(path: str) -> str:
    """`path` from the root of the archive, however it is written: `/OPS/a`, `./OPS/a`, `OPS\\a`."""
    path = path.strip().replace("\\", "/")
    return re.sub(r"^(\.{0,2}/)+", "", posixpath.normpath(path)) if path else ""


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
