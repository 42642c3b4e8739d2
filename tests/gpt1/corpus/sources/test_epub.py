import io
import zipfile
from pathlib import Path

import pytest

from gpt1.corpus.sources import Book, read_books
from tests.gpt1.corpus.sources.epubs import epub, xhtml

GOOD = xhtml("<p>A good page.</p>")
TERMS = "You may copy this ebook under the terms of this license alone. "
WORDS = "It was the best of times, it was the worst of times. " * 9
LICENCE = "<p>Copyright \u00a9 2012 by A. Writer. All rights reserved.</p><p>ISBN 978-0</p>"
ENCRYPTION = (
    "<encryption xmlns='urn:oasis:names:tc:opendocument:xmlns:container'"
    " xmlns:enc='http://www.w3.org/2001/04/xmlenc#'><enc:EncryptedData>"
    "<enc:EncryptionMethod Algorithm='{}'/><enc:CipherData>"
    "<enc:CipherReference URI='{}'/></enc:CipherData></enc:EncryptedData></encryption>"
)
AES = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
IDPF = "http://www.idpf.org/2008/embedding"


def read(folder: Path, content: bytes) -> Book:
    (folder / "a.epub").write_bytes(content)
    (book,) = read_books(folder / "a.epub")
    return book


def text(folder: Path, body: str) -> str:
    """The text of a page, which is the same with a tag of HTML that XML does not allow."""
    page = xhtml(body)
    book = read(folder, epub({"a": page}))
    loose = page.replace("<title/>", "<title></title><meta name=a>")
    assert read(folder, epub({"a": loose})).text == book.text
    return book.text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_says_what_a_page_is(tmp_path: Path, encoding: str) -> None:
    page = "<html><body><p>Caf\u00e9 \u2014 \u03b1\u03b2\u03b3</p></body></html>"
    content = epub({"a": page.encode(encoding), "b": GOOD})
    assert read(tmp_path, content).text == "Caf\u00e9 \u2014 \u03b1\u03b2\u03b3\n\nA good page."


@pytest.mark.parametrize(
    ("encoding", "declared", "words"),
    [
        ("cp1252", "ISO-8859-1", "\u201cCaf\u00e9\u201d \u2014"),
        ("cp1251", "windows-1251", "\u0412\u043e\u0439\u043d\u0430"),
        ("koi8-r", "KOI8-R", "\u0412\u043e\u0439\u043d\u0430"),
        ("shift_jis", "Shift_JIS", "\u3053\u3053\u308d"),
        ("iso2022_jp", "ISO-2022-JP", "\u3053\u3053\u308d"),
        ("gbk", "GB2312", "\u7ea2\u697c\u68a6"),
        ("utf-16-le", "UTF-16", "\u7ea2\u697c\u68a6" * 99),
        ("utf-8", "ISO-8859-1", "Caf\u00e9"),
        ("cp1252", "no-such-code", "Caf\u00e9"),
        ("cp1252", "utf-8", "Caf\u00e9"),
        ("cp1252", "zip", "Caf\u00e9"),
    ],
)
@pytest.mark.parametrize("form", ["<?xml version='1.0' encoding=\"{}\"?>", "<meta charset={}>"])
def test_a_declaration_says_what_a_page_is(
    tmp_path: Path, encoding: str, declared: str, words: str, form: str
) -> None:
    page = f"{form.format(declared)}<html><body><p>{words}</p></body></html>"
    assert read(tmp_path, epub({"a": page.encode(encoding)})).text == words


@pytest.mark.parametrize("page", ["", " \n", "<!-- nothing -->", "<html/>", "</p>", "<"])
def test_a_page_without_text_costs_only_itself(tmp_path: Path, page: str) -> None:
    book = read(tmp_path, epub({"a": page, "b": GOOD}))
    assert (book.text.removeprefix("<\n\n"), book.reason) == ("A good page.", "")


def test_a_binary_page_costs_only_itself(tmp_path: Path) -> None:
    for page in (b"\0\1\2\3" * 50, b"\xff\xfe\1\0\2\0"):
        book = read(tmp_path, epub({"a": page, "b": GOOD}))
        assert (book.text, book.note) == ("A good page.", "unreadable pages: OPS/a.xhtml: binary")


def test_a_page_that_is_missing_costs_only_itself(tmp_path: Path) -> None:
    book = read(tmp_path, epub({"a": GOOD}, ["no-item", "a"]))
    assert (book.text, book.reason) == ("A good page.", "")
    assert book.note == "unreadable pages: OPS/no-item: broken EPUB: no OPS/no-item in it"
    content = epub({"a": GOOD, "gone": "lost words"}).replace(b"OPS/gone.xhtml", b"OPS/else.xhtml")
    book = read(tmp_path, content)
    assert (book.text, book.reason) == ("A good page.", "")
    assert "no OPS/gone.xhtml in it" in book.note


def test_a_page_that_is_damaged_costs_only_itself(tmp_path: Path) -> None:
    content = bytearray(epub({"a": xhtml("<p>Lost words.</p>" * 99), "b": GOOD}))
    start = content.index(b"OPS/a.xhtml") + 30
    content[start : start + 20] = bytes(20)
    book = read(tmp_path, bytes(content))
    assert (book.text, book.reason) == ("A good page.", "")
    assert book.note.startswith("unreadable pages: OPS/a.xhtml: broken zip member: ")


def test_names_are_found_however_they_are_spelt(tmp_path: Path) -> None:
    href = epub({"Caf\u00e9 1": GOOD})
    for name in ("Cafe\u0301 1", "caf\u00e9 1", "CAF\u00c9 1"):
        assert read(tmp_path, renamed(href, name)).text == "A good page."
    unflagged = href.replace(b"\x14\0\0\x08", b"\x14\0\0\0")  # the flag of UTF-8 in the headers
    assert unflagged != href
    assert read(tmp_path, unflagged).text == "A good page."
    assert read(tmp_path, renamed(epub({"Caf%C3%A9%201": GOOD}), "Caf\u00e9 1")).text


def renamed(content: bytes, name: str) -> bytes:
    """An EPUB of one page whose file has another name."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.namelist():
            path = f"OPS/{name}.xhtml" if member.endswith(".xhtml") else member
            new.writestr(path, old.read(member))
    return out.getvalue()


@pytest.mark.parametrize("depth", [257, 3000, 50_000])
@pytest.mark.parametrize("end", ["</body></html>", ""])
def test_text_of_any_depth_stays(tmp_path: Path, depth: int, end: str) -> None:
    body = "<p>Before.</p>" + "<div>" * depth + "Deep." + "</div>" * depth + "<p>After.</p>"
    page = xhtml(body).replace("</body></html>", end)
    assert read(tmp_path, epub({"a": page})).text == "Before.\nDeep.\nAfter."


def test_words_of_neighbouring_blocks_and_cells_stay_apart(tmp_path: Path) -> None:
    table = (
        "<table><tr><td>1801</td><td>8,893</td></tr><tr><th>a</th><td><p>b</p></td></tr></table>"
    )
    assert text(tmp_path, table) == "1801 8,893\na\nb"
    assert text(tmp_path, "<dl><dt>Ale</dt><dd>a drink</dd></dl>") == "Ale\na drink"
    assert text(tmp_path, "<center>THE</center><center>END</center>") == "THE\nEND"
    assert (
        text(tmp_path, "a<hr/>b<address>c</address>d<figcaption>e</figcaption>") == "a\nb\nc\nd\ne"
    )
    spans = "<span style='display: block'>One</span><span style='display:block'>two</span>"
    assert text(tmp_path, spans) == "One\ntwo"
    assert text(tmp_path, "<p>It <b>is</b>n<i>'t</i>.</p>") == "It isn't."


def test_glosses_note_and_page_numbers_are_no_words(tmp_path: Path) -> None:
    for body, words in {
        "<ruby>\u6f22<rp>(</rp><rt>kan</rt><rp>)</rp>\u5b57<rt>ji</rt></ruby>.": "\u6f22\u5b57.",
        "word<a epub:type='noteref' href='#n1'>1</a>,": "word,",
        "word<a role='doc-noteref' href='n.xhtml#x'>*</a>,": "word,",
        "word<sup><a href='#n1'>12</a></sup>,": "word,",
        "word<a href='#x'><sup>b</sup></a>,": "word,",
        "word.<sup>3</sup>": "word.",
        "word<sup>*</sup>,": "word,",
        "word<a href='#fn_3'>3</a>, word.\u201d<a href='#fnb'>b</a>": "word, word.\u201d",
        "in <a href='#fn3'>[3]</a> it": "in it",
        "<a href='#fnref3'>3</a> A note": "A note",
        "word<a href='#x'>[14]</a>,": "word,",
        "word<a href='#x'>\u2020</a>,": "word,",
        "word<a class='fnanchor' href='#Footnote_1_1'>[1]</a>,": "word,",
        "word<a href='notes.xhtml#note-7'>7</a>,": "word,",
        "wo<span epub:type='pagebreak' id='p12'>12</span>rd,": "word,",
        "word<a href='#n12'>12</a>,": "word,",
        "word<sup class='fn'>a</sup>,": "word,",
        "word,<span class='super'>4</span>": "word,",
        "word,<span style='vertical-align: super'>4</span>": "word,",
        "wo<a class='page' id='p12'>12</a>rd,": "word,",
        "<span id='page_1'>I</span>t was.": "It was.",
        "wo<a id='page_12'>[12]</a>rd,": "word,",
        "wo<span role='doc-pagebreak'>xii</span>rd,": "word,",
        "wo<span epub:type='pagebreak'>fol. 12r</span>rd,": "word,",
        "wo<span class='pagenum'>[Pg 112]</span>rd,": "word,",
        "wo<span class='pageno'><a id='p1'/>{112}</span>rd,": "word,",
        "10<sup>6</sup> M<sup>c</sup>Adam the 1<sup>st</sup> and x<sup>2</sup>": (
            "106 McAdam the 1st and x2"
        ),
        "see <a href='c1.xhtml'>chapter 12</a>, <a href='#p'>1812</a>": "see chapter 12, 1812",
        "<a id='page'/><a href='toc.xhtml'>XII</a> <a href='#I'>I</a> went": "XII I went",
        "a<br/><b class='pagebreak'>XII</b>": "a\nXII",
        "<span class='pagebreak'>A whole sentence.</span>": "A whole sentence.",
    }.items():
        assert text(tmp_path, f"<p>{body}</p>") == words


def test_words_and_numbers_that_look_like_notes_stay(tmp_path: Path) -> None:
    for body, words in {
        "art <a href='n.xhtml#note1'>ill</a>, <a href='#n2'>I</a> in <a href='#note4'>1805</a>": (
            "art ill, I in 1805"
        ),
        "a <a href='#fn5'>civil</a> man, <a href='#note6'>vivid</a>": "a civil man, vivid",
        "<a href='#note2'>I</a> am": "I am",
        "<a href='#ref2'>A</a> man": "A man",
        "<a href='#ref2'>1805</a> was": "1805 was",
        "in <a href='#ref1'>12</a>, <a href='#r2'>I</a>": "in 12, I",
        "1804\u2014<a href='#n12'>1805</a> and (<a href='#n2'>7</a>)": "1804\u20141805 and (7)",
        "he <span class='page'>did</span> <a id='page12'>mix</a> it": "he did mix it",
        "<span class='pagenum'>did</span> <span class='endnote'>civil</span>": "did civil",
        "<sup>1</sup>/<sub>2</sub> mile": "1/2 mile",
        "E=mc<sup>2</sup>, 5 cm<sup>3</sup>, the <sup>3</sup>He": "E=mc2, 5 cm3, the 3He",
    }.items():
        assert text(tmp_path, f"<p>{body}</p>") == words


def test_verse_in_pre_keeps_its_lines(tmp_path: Path) -> None:
    verse = "one <i>two</i>\n  three\n<b>four\nfive</b>"
    lines = "one two\nthree\nfour\nfive"
    assert text(tmp_path, f"<pre>{verse}</pre><p>six\nseven</p>") == f"{lines}\nsix seven"
    assert text(tmp_path, f"<p style='white-space: pre-wrap'>{verse}</p>") == lines


def test_one_case_of_a_switch_is_read(tmp_path: Path) -> None:
    case = "<epub:case required-namespace='x'>{}</epub:case>"
    default = "<epub:default>D</epub:default>"
    for cases, words in {
        case.format("A"): "x Ay",
        case.format("A") + case.format("B"): "x Ay",
        case.format("<img/>"): "x Dy",
        "": "x Dy",
    }.items():
        body = f"<p>x <epub:switch>{cases}{default}</epub:switch>y</p>"
        assert text(tmp_path, body) == words


def test_a_picture_of_a_letter_before_letters_is_a_drop_capital(tmp_path: Path) -> None:
    for body, words in {
        "<img alt='T'/>HE night": "THE night",
        "<span><img alt='I'/></span><b>'M</b> here": "I'M here",
        "<img alt='T'/> A night": "A night",
        "<img alt='Tree'/>A night": "A night",
        "A night<img alt='x'/>": "A night",
    }.items():
        assert text(tmp_path, f"<p>{body}</p>") == words


def test_what_is_hidden_is_no_text(tmp_path: Path) -> None:
    assert text(tmp_path, "<p>a<b hidden=''>b</b><i style='display: none'>c</i>d</p>") == "ad"


def test_what_xml_alone_knows_is_read(tmp_path: Path) -> None:
    body = "<p>a<a id='x'/>b<script src='x'/>c<b/>d&nbsp;e&#8212;f&amp;lt;</p><![CDATA[g & h]]>"
    assert text(tmp_path, body) == "abcd e\u2014f&lt;\ng & h"
    page = xhtml("<p>a</p>").replace("<!DOCTYPE html>", "<!DOCTYPE html [<!ENTITY b '>'>\n]>")
    assert read(tmp_path, epub({"a": page})).text == "a"


def test_soft_hyphens_are_no_part_of_words(tmp_path: Path) -> None:
    assert (
        text(tmp_path, "<p>exam&#173;ple&shy;s of zero\u200bwidth</p>") == "examples of zerowidth"
    )
    assert text(tmp_path, "<p>exam&#173;\n  ple</p>") == "example"
    (tmp_path / "c.txt").write_bytes(
        "exam\u00ad\n  ple, exam\u00ad \r\nple, exam\u00ad\rple".encode()
    )
    assert [book.text for book in read_books(tmp_path / "c.txt")] == ["example, example, example"]
    (tmp_path / "b.txt").write_text("An exam\u00ad\nple of soft\u00adness\u00ad\n\nB")
    assert [book.text for book in read_books(tmp_path / "b.txt")] == ["An example of softness\n\nB"]


def test_navigation_and_licence_are_left_out_and_told(tmp_path: Path) -> None:
    links = "".join(f"<p><a href='c{n}.xhtml'>Chapter {n}</a></p>" for n in range(9))
    pages = {
        "nav": xhtml("<p>Contents of Some Kind</p>"),
        "toc": xhtml(f"<h1>Where it is</h1>{links}"),
        "guided": xhtml("<p>Plates</p>"),
        "typed": xhtml("<section epub:type='frontmatter copyright-page'><p>Rights.</p></section>"),
        "rights": xhtml(LICENCE),
        "two": xhtml("<p>Table of Contents of the Book</p><a href='#1'>I</a><a href='#2'>II</a>"),
        "colophon": xhtml("<p>Set in Garamond.</p>"),
        "cc": xhtml(f"<h1>Creative Commons Attribution License</h1><p>{TERMS * 40}</p>"),
        "a": xhtml(f"<h1>I</h1><nav><ol><li>Next</li></ol></nav><p>{'A long story. ' * 200}</p>"),
        "b": xhtml("<p>The end.</p><section id='pg-footer'>*** END OF THE PROJECT</section>"),
        "pg": xhtml(f"<h2>THE FULL PROJECT GUTENBERG LICENSE</h2><p>{TERMS * 40}</p>"),
    }
    guide = "<reference type='loi' href='guided.xhtml'/>"
    book = read(tmp_path, epub(pages, properties={"nav": "nav"}, guide=guide))
    assert book.text == f"I\n{'A long story. ' * 200}".strip() + "\n\nThe end."
    assert book.note == f"63 % of its words left out: {book.left_out}"
    assert book.left_out == (
        "OPS/nav.xhtml (navigation), OPS/toc.xhtml (navigation),"
        " OPS/guided.xhtml (navigation), OPS/typed.xhtml (navigation or licence),"
        " OPS/rights.xhtml (licence), OPS/two.xhtml (navigation), OPS/colophon.xhtml (licence),"
        " OPS/cc.xhtml (licence), OPS/pg.xhtml (licence)"
    )


def test_a_page_of_prose_inside_links_is_no_navigation(tmp_path: Path) -> None:
    prose = f"<p><a href='#r'>{WORDS}</a></p>" * 4
    anchors = "<a href='#1'>a</a>" * 30 + f"<p><a id='x'>{WORDS}</p>" * 4  # not closed
    for body in (prose, anchors):
        assert read(tmp_path, epub({"a": xhtml(body), "b": GOOD})).text.count("the best") == 36


LINKS = "".join(f"<p><a href='#c{n}'>Chapter {n}</a></p>" for n in range(5))
NOVEL = "".join(
    f"<h2 id='c{n}'><a href='#top{n}'>Chapter {n}</a></h2><p>{WORDS * 3}</p>" for n in range(5)
)


@pytest.mark.parametrize("heading", ["<h2>CONTENTS</h2>", "<p>By Me</p><p>Contents</p>"])
@pytest.mark.parametrize("kind", ["", "toc", "copyright-page", "nav"])
def test_a_novel_on_the_page_of_its_contents_loses_only_the_list(
    tmp_path: Path, heading: str, kind: str
) -> None:
    pages = {"a": GOOD, "b": xhtml(heading + LINKS + NOVEL)}
    guide = f"<reference type='{kind}' href='b.xhtml'/>"
    book = read(tmp_path, epub(pages, properties={"b": kind}, guide=guide))
    assert book.text.count("the best") == 27 * 5
    assert [book.text.count(f"Chapter {n}") for n in range(5)] == [1] * 5
    assert book.left_out == "OPS/b.xhtml (list of links)"
    assert book.note == ""


@pytest.mark.parametrize(
    "entry",
    [
        "<p>The Long Way to the Mill {0} <a href='#p{0}'>{0}</a></p>",
        "<p>The Long Way <a href='#p{0}'>{0}</a></p><p>In which he comes to the mill</p>",
        "<table><tr><td><a href='#i{0}'>X.</a></td><td><a href='#c{0}'>The Long Way {0}</a></td>"
        "<td><a href='#p{0}'>{0}</a></td></tr></table>",
        "<p><a href='#c{0}'>Chapter <b>The {0}th</b></a> . . . . {0}</p>",
    ],
)
def test_entries_of_contents_of_any_form_are_left_out(tmp_path: Path, entry: str) -> None:
    contents = "<h2>Contents</h2>" + "".join(entry.format(n) for n in range(5))
    pages = {"a": xhtml(contents), "b": xhtml(contents + NOVEL)}
    book = read(tmp_path, epub(pages))
    assert "The Long Way" not in book.text
    assert book.text.count("the best") == 27 * 5
    assert book.left_out == "OPS/a.xhtml (navigation), OPS/b.xhtml (list of links)"


def test_a_novel_that_is_said_to_be_navigation_or_licence_stays(tmp_path: Path) -> None:
    for kind in ("toc", "copyright-page", "nav"):
        guide = f"<reference type='{kind}' href='b.xhtml'/>"
        content = epub({"a": GOOD, "b": xhtml(NOVEL)}, properties={"b": kind}, guide=guide)
        assert read(tmp_path, content).text.count("the best") == 27 * 5


def test_running_text_inside_links_is_no_navigation(tmp_path: Path) -> None:
    words = ["Whan", "that", "Aprille", "with", "his", "shoures", "soote", "the", "droghte"]
    for body in (
        "<p>" + " ".join(f"<a href='g.xhtml#{word}'>{word}</a>" for word in words) + "</p>",
        "".join(
            f"<p><a href='cast.xhtml#h'>HAMLET</a> <a href='n.xhtml#x{n}'>Words, words {n}</a></p>"
            for n in range(20)
        ),
        "".join(
            f"<p><a href='n.xhtml#x{n}'>The droghte of March{',..'[n % 3]}</a></p>"
            for n in range(9)
        ),
        "<h2>Contents of the Dead Man's Pocket</h2>"
        + "".join(f"<p>{WORDS}<a href='#fn{n}'>{n}</a></p>" for n in range(2)),
        f"<p>Contents</p><p>see <a href='#a'>a</a> {WORDS}</p><p><a href='#b'>b</a> {WORDS}</p>",
    ):
        for times in (1, 3):
            book = read(tmp_path, epub({"a": GOOD, "b": xhtml(body * times)}))
            assert book.left_out == ""


@pytest.mark.parametrize(
    "body",
    [
        "<h2>Chapter I</h2><p>My uncle gave me full licence to do as I pleased.</p>",
        "<p>The gnu looked at us: we had no licence to shoot it.</p>",
        "<h2>Full Licence</h2><p>He went.</p>",
        "<p>She taught a class on Creative Commons and other licences.</p>",
        "<p>Dear Jane, my poem (copyright 1902, as you know) is sold.</p>",
        "<h2>Epilogue</h2><p>He wrote the ISBN on his hand.</p>",
    ],
)
def test_a_word_of_rights_makes_no_licence(tmp_path: Path, body: str) -> None:
    for length in (2, 10):
        pages = {"a": GOOD, "b": xhtml(f"{body}<p>{WORDS * length}</p>")}
        assert read(tmp_path, epub(pages)).left_out == ""


def test_much_left_out_is_noted(tmp_path: Path) -> None:
    pages = {
        "a": xhtml(f"<p>{'word ' * 60}</p>"),
        "b": xhtml(LINKS),
        "c": xhtml(f"<p>{WORDS}</p>" * 9),
    }
    assert read(tmp_path, epub(pages, ["a", "b", "c"])).note == ""
    assert read(tmp_path, epub(pages, ["a", "b"])).note == (
        "14 % of its words left out: OPS/b.xhtml (navigation)"
    )


def test_a_book_of_one_page_keeps_its_notice(tmp_path: Path) -> None:
    pages = {"cover": xhtml("<img/>"), "a": xhtml(f"<p>A tale.</p>{LICENCE}")}
    assert read(tmp_path, epub(pages)).text.startswith("A tale.")


def test_what_is_encrypted_by_drm_is_dropped(tmp_path: Path) -> None:
    for algorithm, path, reason in [
        (AES, "OPS/a%20b.xhtml", "encrypted: 1 of 2 pages, by DRM"),
        (AES, "OPS/cover.jpg", ""),
        (IDPF, "OPS/font.otf", ""),
    ]:
        more = {"META-INF/encryption.xml": ENCRYPTION.format(algorithm, path)}
        assert read(tmp_path, epub({"a b": GOOD, "b": GOOD}, more=more)).reason == reason


def test_paths_are_mended(tmp_path: Path) -> None:
    content = epub({"a": GOOD})
    for old, new in [
        ("OPS/book.opf", "/OPS/book.opf"),
        ("OPS/book.opf", "./OPS/book.opf"),
        ("OPS/book.opf", "OPS\\book.opf"),
        ("'a.xhtml'", "'/OPS/a.xhtml'"),
        ("'a.xhtml'", "'../OPS\\a.xhtml'"),
        ("'a.xhtml'", "'../../OPS/a.xhtml'"),
        ("'a.xhtml'", "'a.xhtml?x=1'"),
        ("'a.xhtml'", "' a.xhtml '"),
    ]:
        for separator in "/\\":
            book = read(tmp_path, edited(content, old, new, separator))
            assert (book.text, book.note) == ("A good page.", "")
    assert read(tmp_path, epub({"a?": GOOD})).text == "A good page."


def edited(content: bytes, old: str, new: str, separator: str) -> bytes:
    """An EPUB with other words in its package, and names of members with another separator."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(out, "w") as target:
        for member in source.namelist():
            text = source.read(member).decode().replace(old, new)
            target.writestr(member.replace("/", separator), text)
    return out.getvalue()


def test_the_package_is_mended_where_it_is_broken(tmp_path: Path) -> None:
    content = epub({"a": GOOD}, guide="<reference type='x' title='A & B'>&nbsp;<b></guide>")
    assert read(tmp_path, content).text == "A good page."


def test_an_epub_without_package_is_told(tmp_path: Path) -> None:
    for name, reason in [
        ("mimetype", "broken EPUB: no META-INF/container.xml in it"),
        (
            "META-INF/container.xml",
            "broken EPUB: Document is empty, line 1, column 1 (<string>, line 1)",
        ),
    ]:
        with zipfile.ZipFile(tmp_path / "a.epub", "w") as archive:
            archive.writestr(name, "")
        (book,) = read_books(tmp_path / "a.epub")
        assert book.reason == reason


def test_a_page_is_read_once(tmp_path: Path) -> None:
    assert read(tmp_path, epub({"a": GOOD}, ["a", "a"])).text == "A good page."


def test_an_epub_without_pages_is_told(tmp_path: Path) -> None:
    assert read(tmp_path, epub({})).reason == "broken EPUB: no page can be read; it has none"
    lost = ", ".join(f"OPS/{n}: broken EPUB: no OPS/{n} in it" for n in range(10))
    book = read(tmp_path, epub({}, [str(n) for n in range(12)]))
    assert book.reason == f"broken EPUB: no page can be read; {lost} and 2 more"


def test_pages_that_unpack_to_more_than_a_book_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpt1.corpus.sources.book.MAX_BYTES", 100_000)
    space = {str(n): f"<p>{' ' * 30_000}</p>" for n in range(4)}
    assert read(tmp_path, epub(space)).reason.startswith("over 0 MB")
    pictures = {f"OPS/{n}.jpg": bytes(60_000) for n in range(4)}
    assert read(tmp_path, epub({"a": GOOD}, more=pictures)).text == "A good page."
