"""Marks of italics and bold type, which transcribers write as `_italics_` and `=bold=`.

A language model reads words: the marks go, the words stay. They are not recorded, as straightened
quotes are not.
"""

import re

_PASSAGE = r"(?:[^{0}\n]|{0}{{2,}}|\n(?![^\S\n]*\n)){{1,5000}}?(?<=\S)"
"""Text without the mark and without a blank line, up to no space; a row of marks is none."""
_ITALICS = re.compile(  # of `_un_happy` only one side is free; of `file_name and other_name` none
    r"_(?<!__)(?=[^\s_])(?:(?<!\w_)PASSAGE_(?!_)|PASSAGE_(?![\w_]))".replace(
        "PASSAGE", _PASSAGE.format("_")
    )
)
_BOLD = re.compile(  # formulas have this sign, too: both sides must be free, as in `f(x)=(y)` none
    r"(?<![\w)\]}=])=(?=[^\s=])PASSAGE=(?![\w(\[{=])".replace("PASSAGE", _PASSAGE.format("="))
)


def drop_marks(text: str) -> str:
    """The text without marks of italics and bold type; a row of them, such as `____`, stays."""
    for marked in (_ITALICS, _BOLD):
        text = marked.sub(lambda match: match[0][1:-1], text)
    return text
