import io

import pytest
from lxml import html
from matplotlib.figure import Figure as Canvas
from PIL import Image

from gpt1.analysis.report.figures import png
from gpt1.document import Document, Figure, Section, Table

DOT = png(Canvas(figsize=(1, 1)))


@pytest.fixture
def document():
    table = Table("Scores <by> task", ["task", "a|b"], [["rte", "56.0 ± 1.2"], ["cola", "45.4"]])
    figure = Figure("dot", DOT, "A dot.", 'A "dot" & nothing else')
    return Document("Title", "Summary.", [Section("One & two", ["Text <i>.", table, figure])])


def test_the_page_needs_no_other_file_and_no_network(document):
    page = html.fromstring(document.html())
    assert page.xpath("//@src[not(starts-with(., 'data:'))]") == []
    assert page.xpath("//@href[not(starts-with(., '#') or starts-with(., 'data:'))]") == []
    assert "@import" not in document.html()
    assert "url(" not in document.html()


def test_text_is_shown_as_text_and_not_as_markup(document):
    page = html.fromstring(document.html())
    assert page.xpath("//p[2]/text()") == ["Text <i>."]
    assert page.xpath("//p[@class='caption']/text()") == ["Scores <by> task"]
    assert page.xpath("//table/@aria-label") == ["Scores <by> task"]
    assert page.xpath("//img/@alt") == ['A "dot" & nothing else']


def test_both_faces_hold_the_same_cells(document):
    page = html.fromstring(document.html())
    cells = [c.text_content() for c in page.xpath("//th | //td")]
    lines = [line for line in document.markdown().splitlines() if line.startswith("| ")]
    del lines[1]
    split = [c.strip().replace("\\|", "|") for x in lines for c in x[2:-2].split(" | ")]
    assert split == cells


def test_the_markdown_shows_the_png_files_beside_it(document, tmp_path):
    document.save(tmp_path / "report/report.md", tmp_path / "report/index.html")
    assert '![A "dot" & nothing else](dot.png)' in (tmp_path / "report/report.md").read_text()
    assert (tmp_path / "report/dot.png").read_bytes() == DOT


def test_a_figure_has_no_date_and_no_version_inside():
    assert Image.open(io.BytesIO(DOT)).info.keys() <= {"dpi"}
