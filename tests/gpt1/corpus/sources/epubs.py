"""EPUBs for tests, written with the standard library."""

import io
import zipfile
from collections.abc import Mapping, Sequence

CONTAINER = (
    "<container xmlns='urn:oasis:names:tc:opendocument:xmlns:container'><rootfiles>"
    "<rootfile full-path='OPS/book.opf'/></rootfiles></container>"
)


def epub(
    pages: Mapping[str, str | bytes],
    spine: Sequence[str] | None = None,
    more: Mapping[str, str | bytes] | None = None,
    properties: Mapping[str, str] | None = None,
    guide: str = "",
) -> bytes:
    """An EPUB with the pages `OPS/NAME.xhtml`.

    spine: the names in reading order; without, all of them.
    more: path -> content of other files.
    properties: name -> the properties of its item.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/container.xml", CONTAINER)
        items = "".join(
            f"<item id='{name}' href='{name}.xhtml' media-type='application/xhtml+xml'"
            f" properties='{(properties or {}).get(name, '')}'/>"
            for name in pages
        )
        order = "".join(f"<itemref idref='{name}'/>" for name in spine or pages)
        archive.writestr(
            "OPS/book.opf",
            f"<package xmlns='http://www.idpf.org/2007/opf'><manifest>{items}</manifest>"
            f"<spine>{order}</spine><guide>{guide}</guide></package>",
        )
        for name, page in pages.items():
            archive.writestr(f"OPS/{name}.xhtml", page)
        for path, content in (more or {}).items():
            archive.writestr(path, content)
    return out.getvalue()


def xhtml(body: str, head: str = "<title/>") -> str:
    """A page as EPUBs have it."""
    return (
        "<?xml version='1.0' encoding='utf-8'?>\n<!DOCTYPE html>\n"
        "<html xmlns='http://www.w3.org/1999/xhtml' xmlns:epub='http://www.idpf.org/2007/ops'>"
        f"<head>{head}</head><body>{body}</body></html>"
    )
