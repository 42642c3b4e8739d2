"""ftfy's `fix_text`, equal to the character, at the speed of what needs no fixing."""

import re

# Lines of plain ASCII, dashes, ellipses and curly quotes hold no mojibake: ftfy only straightens
# their quotes and line ends. An ampersand may begin an HTML entity, hence its absence.
_NOT_PLAIN = re.compile("[^\t\r\n -%'-~\u2013\u2014\u2018\u2019\u201c\u201d\u2026]")
_QUOTES = [("\u2018", "'"), ("\u2019", "'"), ("\u201c", '"'), ("\u201d", '"')]
SEGMENT = 1_000_000
"""Characters that ftfy fixes at once (its `max_decode_length`)."""


def fix(text: str) -> str:
    """Mojibake, HTML entities, curly quotes, ligatures and control characters put right.

    Equal to `ftfy.fix_text(text)`, which fixes each line by itself, but for one thing: from the
    first line with a `<` on, it takes the text for HTML and no longer unescapes entities.
    """
    import ftfy

    auto = ftfy.TextFixerConfig(explain=False)
    html = auto._replace(unescape_html=False)
    tag = text.find("<")
    out, done = [], 0
    while found := _NOT_PLAIN.search(text, done):
        start = text.rfind("\n", done, found.start()) + 1 or done
        out.append(_straight(text[done:start]))
        end = text.find("\n", start) + 1 or len(text)
        while start < end:
            stop = min(start + SEGMENT, end)
            config = html if 0 <= tag < stop else auto
            out.append(ftfy.fix_and_explain(text[start:stop], config).text)
            start = stop
        done = end
    out.append(_straight(text[done:]))
    return "".join(out)


def _straight(text: str) -> str:
    if not text.isascii():
        for curly, straight in _QUOTES:
            text = text.replace(curly, straight)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
