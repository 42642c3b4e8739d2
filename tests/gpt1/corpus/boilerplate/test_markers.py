import pytest

from gpt1.corpus.boilerplate import strip_boilerplate

LEGAL = "This Project Gutenberg eBook is licensed; donations to Project Gutenberg are welcome.\n"
HEADER = "The Project Gutenberg Etext of X\n" + LEGAL * 9
BOOK = "\n\n".join(f"Paragraph {n} of a story that is told without any haste." for n in range(200))


def body(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line.strip())


@pytest.mark.parametrize(
    "start",
    [
        "*** START OF THE PROJECT GUTENBERG EBOOK X ***",
        "***START OF THIS PROJECT GUTENBERG ETEXT X***",
        r"\*\*\* START OF THIS PROJECT GUTENBERG EBOOK X \*\*\*",
        "   * * * START OF PROJECT GUTENBERG EBOOK X * * *",
        "*** START OF THE PROJECT GUTENBERG EBOOK X, OR THE\nSECOND LINE OF ITS TITLE ***",
        "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*",
    ],
)
@pytest.mark.parametrize(
    "end",
    [
        "*** END OF THE PROJECT GUTENBERG EBOOK X ***",
        "   *** END OF THIS PROJECT GUTENBERG ETEXT X, OR THE\n   SECOND LINE ***",
        "End of this Project Gutenberg Etext of X",
        "The End of Project Gutenberg's X, or the\nsecond line of its title",
    ],
)
def test_a_header_and_a_licence_go_with_the_lines_that_mark_them(start: str, end: str) -> None:
    text, removed = strip_boilerplate(f"{HEADER}\n{start}\n\n{BOOK}\n\n{end}\n\n{LEGAL * 20}")
    assert text == BOOK
    assert {span.kind for span in removed} == {"header", "licence"}


def test_a_book_about_licences_is_none() -> None:
    book = "\n".join(f"Of the licence and the copyright of an ebook, part {n}." for n in range(200))
    start, end = (f"*** {side} OF THE PROJECT GUTENBERG EBOOK X ***" for side in ("START", "END"))
    text = strip_boilerplate(f"{HEADER}\n{start}\n\n{book}\n\n{end}\n\n{LEGAL * 20}")[0]
    assert text == book


def test_the_small_print_of_2002_stands_after_the_book() -> None:
    small = (
        "***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN EBOOKS**START***\n"
        f"{LEGAL * 20}\n*END THE SMALL PRINT! FOR PUBLIC DOMAIN EBOOKS*Ver.02/11/02*END*\n"
    )
    text = f"{BOOK}\n\nEnd of the Project Gutenberg Etext of X\n\n{small}"
    assert strip_boilerplate(text)[0] == BOOK
    assert strip_boilerplate(f"{BOOK}\n\n{small}")[0] == BOOK


@pytest.mark.parametrize(
    "between", ["", f"{HEADER}\n*** START OF THE PROJECT GUTENBERG EBOOK ***\n"]
)
def test_collected_works_keep_each_volume(between: str) -> None:
    volumes = [BOOK.replace("Paragraph", f"Volume {n}, paragraph") for n in (1, 2, 3)]
    end = "\n\nEnd of Project Gutenberg's Works\n\n"
    text = f"{HEADER}\n*** START OF THE PROJECT GUTENBERG EBOOK ***\n"
    text += f"{end}{between}".join(volumes) + end + LEGAL * 20
    assert body(strip_boilerplate(text)[0]) == body("\n".join(volumes))


def test_a_line_far_inside_a_book_takes_nothing_but_itself() -> None:
    for line in ("*** START OF THE PROJECT GUTENBERG EBOOK X ***", "End of Project Gutenberg's X"):
        text = f"{BOOK}\n\n{line}\n\n{BOOK}"
        assert strip_boilerplate(text)[0].split() == f"{BOOK} {BOOK}".split()
