"""Marks of italics and bold type, which transcribers write as `_italics_` and `=bold=`.

A language model reads words: the marks go, the words stay. They are not recorded, as straightened
quotes are not.
"""

import re

_PASSAGE = r"(?:[^{0}\n]|{0}{{2,}}|\n(?![^\S\n]*\n)){{1,5000}}?"
"""Text without the mark and without a blank line; a row of marks is none."""
_MARKED = [
    # Of `_un_happy` only one side is free; of `file_name and other_name` none is.
    re.compile(
        rf"{mark}(?<!{mark}{mark})(?=[^\s{mark}])(?:(?<!\w{mark}){passage}(?<=\S){mark}(?!{mark})"
        rf"|{passage}(?<=\S){mark}(?![\w{mark}]))"
    )
    for mark, passage in ((mark, _PASSAGE.format(mark)) for mark in "_=")
]


def drop_marks(text: str) -> str:
    """The text without marks of italics and bold type; a row of them, such as `____`, stays."""
    for marked in _MARKED:
        text = marked.sub(lambda match: match[0][1:-1], text)
    return text
