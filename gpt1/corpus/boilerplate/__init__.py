"""Removal of what publishers and transcribers put around a book, with the spans kept for audit.

- `markers.py`: Project Gutenberg's header and licence, also between volumes.
- `contents.py`: tables of contents and lists of illustrations.
- `illustrations.py`: marks of illustrations with their captions.
- `notices.py`: credits, notices and notes of transcribers, lists of other books.
"""

from gpt1.corpus.boilerplate.contents import contents
from gpt1.corpus.boilerplate.illustrations import illustrations
from gpt1.corpus.boilerplate.markers import licences
from gpt1.corpus.boilerplate.notices import notices
from gpt1.corpus.boilerplate.span import RemovedSpan, cut


def strip_boilerplate(text: str) -> tuple[str, list[RemovedSpan]]:
    """Remove licences, notices, tables of contents, illustrations and lists of other books.

    Returns the text that is left, and the removed spans.
    """
    text, removed = cut(text, licences(text))
    text = text.strip("\n")
    text, others = cut(text, [*contents(text), *notices(text), *illustrations(text)])
    return text.strip("\n"), [*removed, *others]
