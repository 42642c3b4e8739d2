from itertools import product

import ftfy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt1.tokens import fix_text as module
from gpt1.tokens.fix_text import fix_text

PLAIN = "a A1\n\r'-\u2013\u2014\u2018\u2019\u201c\u201d\u2026"


def test_short_plain_text_is_fixed_as_ftfy_does() -> None:
    for text in map("".join, product(PLAIN, repeat=4)):
        if fix_text(text) != ftfy.fix_text(text):
            pytest.fail(repr(text))


@settings(max_examples=1000, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [*PLAIN, "&lt;", "&amp;", "<", "\u00c3\u00a9", "\u00e2\u20ac\u0153", "\x07"]
        )
        | st.characters(),
        max_size=40,
    ).map("".join)
)
def test_any_text_is_fixed_as_ftfy_does(text: str) -> None:
    assert fix_text(text) == ftfy.fix_text(text)


def test_lines_too_long_for_ftfy_are_cut_where_it_cuts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SEGMENT", 5)
    for text in ("ab\u00c3\u00a9cd&lt;e<f&gt;", "\u00e9" * 4 + "\u00c3\u00a9&amp;"):
        assert fix_text(text) == ftfy.fix_text(text, max_decode_length=5)
