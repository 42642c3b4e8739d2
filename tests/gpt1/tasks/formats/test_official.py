"""Every official layout: first small files made here, then the real ones."""

import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from gpt1.errors import UserError
from gpt1.tasks import load, registry, table
from gpt1.tasks.load import LoadedTask
from gpt1.tasks.table import Example

MNLI_DEV = "index promptID pairID genre a b c d sentence1 sentence2 l1 l2 l3 l4 l5 gold_label"
NLI = "gold_label sentence1_binary_parse sentence1 sentence2 captionID pairID label1"


def tsv(*rows: str) -> str:
    """Lines whose columns are written with ` | ` between them."""
    return "".join(row.replace(" | ", "\t") + "\n" for row in rows)


def header(names: str) -> str:
    return names.replace(" ", "\t") + "\n"


def folder(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


def read(name: str, root: Path, files: dict[str, str]) -> LoadedTask:
    return load.official(name, folder(root, files))


def of_split(loaded: LoadedTask, split: str) -> list[Example]:
    return [example for example in loaded.examples if example.split == split]


RTE = {
    "train.tsv": tsv("index | sentence1 | sentence2 | label", "0 | A. | B. | not_entailment"),
    "dev.tsv": tsv("index | sentence1 | sentence2 | label", "0 | C. | D. | entailment"),
    "test.tsv": tsv("index | sentence1 | sentence2", "0 | E. | F."),
}


def test_glue_reads_every_split_and_test_rows_have_no_target(tmp_path: Path) -> None:
    assert read("rte", tmp_path, RTE).examples == [
        Example("train", "0", "A.", "B.", target=1.0),
        Example("dev", "0", "C.", "D.", target=0.0),
        Example("test", "0", "E.", "F."),
    ]


def test_the_folder_of_all_glue_tasks_will_do(tmp_path: Path) -> None:
    all_of_them = {f"glue_data/RTE/{name}": text for name, text in RTE.items()}
    others = {"glue_data/QNLI/train.tsv": "of another task\n"}
    assert len(read("rte", tmp_path, all_of_them | others).examples) == 3


def test_quotes_in_glue_are_letters(tmp_path: Path) -> None:
    row = tsv("index | sentence1 | sentence2 | label", '0 | "A | ""B" c. | entailment')
    found = read("rte", tmp_path, RTE | {"train.tsv": row})
    assert (found.examples[0].text, found.examples[0].text_pair) == ('"A', '""B" c.')


def test_cola_has_no_header_in_train_and_dev(tmp_path: Path) -> None:
    files = {
        "CoLA/train.tsv": tsv("gj04 | 1 |  | They drank."),
        "CoLA/dev.tsv": tsv("gj04 | 0 | * | They drank pub."),
        "CoLA/test.tsv": tsv("index | sentence", "7 | Bill whistled."),
        "CoLA/original/raw/in_domain_train.tsv": tsv("gj04 | 1 |  | Not this one."),
    }
    assert read("cola", tmp_path, files).examples == [
        Example("train", "0", "They drank.", target=1.0),
        Example("dev", "0", "They drank pub.", target=0.0),
        Example("test", "7", "Bill whistled."),
    ]


MSR = "\ufeffQuality | #1 ID | #2 ID | #1 String | #2 String"
MICROSOFT = {
    "msr_paraphrase_train.txt": tsv(MSR, "1 | 10 | 11 | A | B", "0 | 12 | 13 | C | D"),
    "msr_paraphrase_test.txt": tsv(MSR, "1 | 14 | 15 | E | F"),
    "dev_ids.tsv": tsv("12 | 13"),
}


def test_mrpc_is_put_together_from_microsofts_files_and_the_dev_ids(tmp_path: Path) -> None:
    assert read("mrpc", tmp_path, MICROSOFT).examples == [
        Example("train", "0", "A", "B", target=1.0),
        Example("dev", "0", "C", "D", target=0.0),
        Example("test", "0", "E", "F", target=1.0),
    ]


def test_mrpc_reads_glues_files_with_their_byte_order_mark(tmp_path: Path) -> None:
    files = {"train.tsv": tsv(MSR, "1 | 1 | 2 | A | B"), "dev.tsv": tsv(MSR, "0 | 3 | 4 | C | D")}
    assert [e.target for e in read("mrpc", tmp_path, files).examples] == [1.0, 0.0]


def test_mnli_takes_gold_labels_from_the_many_columns_and_adds_the_diagnostic(
    tmp_path: Path,
) -> None:
    train = header(MNLI_DEV.replace(" l2 l3 l4 l5", "")) + tsv(
        "0 | 0 | 0e | na |  |  |  |  | A. | B. | neutral | neutral"
    )
    dev = header(MNLI_DEV) + tsv(
        "0 | 0 | 0e | na |  |  |  |  | C. | D. | neutral | x | x | x | x | contradiction",
        "1 | 0 | 1e | na |  |  |  |  | E. | F. | neutral | x | x | x | x | -",
    )
    diagnostic = tsv("index | sentence1 | sentence2", "0 | G. | H.")
    files = {
        "MNLI/train.tsv": train,
        "MNLI/dev_matched.tsv": dev,
        "MNLI/dev_mismatched.tsv": dev,
        "diagnostic/diagnostic.tsv": diagnostic,
    }
    found = read("mnli", tmp_path, files)
    assert table.split_sizes(found.examples) == {
        "train": 1,
        "dev_matched": 1,
        "dev_mismatched": 1,
        "diagnostic": 1,
    }
    assert of_split(found, "dev_matched")[0].target == 2.0
    assert of_split(found, "diagnostic")[0].target is None
    assert found.task.dropped == {"no gold label": 2}


def test_glues_mnli_is_read_before_the_authors_files_that_it_keeps_below_original(
    tmp_path: Path,
) -> None:
    row = tsv("0 | 0 | 0e | na |  |  |  |  | A. | B. | neutral | neutral")
    glue_columns = header(MNLI_DEV.replace(" l2 l3 l4 l5", ""))
    files = {f"MNLI/{name}.tsv": glue_columns + row for name in ("train", "dev_matched")}
    files["MNLI/original/multinli_1.0_train.jsonl"] = "not this one"
    assert [e.text for e in read("mnli", tmp_path, files).examples] == ["A.", "A."]


@pytest.mark.parametrize("ending", ["jsonl", "txt"])
@pytest.mark.parametrize(("name", "dev"), [("snli", "dev"), ("mnli", "dev_matched")])
def test_pairs_without_a_gold_label_are_dropped_and_counted(
    tmp_path: Path, name: str, dev: str, ending: str
) -> None:
    rows = [("neutral", "A.", "B.", "p1"), ("-", "C.", "D.", "p2")]
    if ending == "jsonl":
        keys = ("gold_label", "sentence1", "sentence2", "pairID")
        text = "".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in rows)
    else:
        text = header(NLI) + "".join(
            "\t".join([label, "( A )", one, two, "", pair, ""]) + "\n"
            for label, one, two, pair in rows
        )
    prefix = "snli_1.0" if name == "snli" else "multinli_1.0"
    files = {f"{prefix}/{prefix}_{split}.{ending}": text for split in ("train", dev)}
    found = read(name, tmp_path, files)
    assert found.examples == [
        Example("train", "p1", "A.", "B.", target=1.0),
        Example(dev, "p1", "A.", "B.", target=1.0),
    ]
    assert found.task.dropped == {"no gold label": 2}


GLUE_SNLI = (
    "index captionID pairID sentence1_binary_parse sentence2_binary_parse sentence1_parse "
    "sentence2_parse sentence1 sentence2 label1"
)


def test_snli_as_glues_script_lays_it_out_is_read_before_the_authors_files_below_it(
    tmp_path: Path,
) -> None:
    start = "0 | 7.jpg#0 | 7.jpg#0r1n | ( A ) | ( B ) | (ROOT) | (ROOT) | A. | B. | neutral | "
    files = {
        "SNLI/train.tsv": header(GLUE_SNLI + " gold_label") + tsv(start + "neutral"),
        "SNLI/dev.tsv": header(GLUE_SNLI + " label2 label3 label4 label5 gold_label")
        + tsv(start + "x | x | x | x | contradiction", start + "x | x | x | x | -"),
        "SNLI/test.tsv": header(GLUE_SNLI + " label2 label3 label4 label5 gold_label")
        + tsv(start + "x | x | x | x | entailment"),
        "SNLI/original/snli_1.0_train.jsonl": "not this one",
        "RTE/train.tsv": "nor this",
    }
    found = read("snli", tmp_path, files)
    assert found.examples == [
        Example("train", "7.jpg#0r1n", "A.", "B.", target=1.0),
        Example("dev", "7.jpg#0r1n", "A.", "B.", target=2.0),
        Example("test", "7.jpg#0r1n", "A.", "B.", target=0.0),
    ]
    assert found.task.dropped == {"no gold label": 1}


def test_scitail_is_the_same_in_both_its_layouts(tmp_path: Path) -> None:
    one = {
        f"tsv_format/scitail_1.0_{split}.tsv": tsv("A. | B. | entails", '"C | D. | neutral')
        for split in ("train", "dev", "test")
    }
    keys = ("sentence1", "sentence2", "gold_label")
    lines = "".join(
        json.dumps(dict(zip(keys, row, strict=True))) + "\n"
        for row in [("A.", "B.", "entailment"), ('"C', "D.", "neutral")]
    )
    other = {f"snli_format/scitail_1.0_{s}.txt": lines for s in ("train", "dev", "test")}
    one["dgem_format/scitail_1.0_structure_train.tsv"] = tsv("not | this | one")
    one["__MACOSX/tsv_format/scitail_1.0_train.tsv"] = "nor this"
    found = [
        read("scitail", tmp_path / name, files).examples
        for name, files in (("one", one), ("other", other))
    ]
    assert found[0] == found[1]
    assert [example.target for example in found[0][:2]] == [0.0, 1.0]


def article(answers: str = "B") -> str:
    return json.dumps(
        {
            "article": "Text.",
            "questions": ["Which?", "What is _ ?"],
            "options": [["a", "b", "c", "d"], ["e", "f", "g", "h"]],
            "answers": [answers, "D"],
        }
    )


RACE = {f"RACE/{split}/{level}/7.txt": article() for split in ("train", "dev", "test")
        for level in ("middle", "high")}  # fmt: skip


def test_race_has_an_example_for_each_question_grouped_by_level(tmp_path: Path) -> None:
    found = read("race", tmp_path, RACE)
    assert table.split_sizes(found.examples) == {"train": 4, "dev": 4, "test": 4}
    assert found.examples[0] == Example(
        "train", "middle/7/0", "Text.", "Which?", ("a", "b", "c", "d"), 1.0, "middle"
    )
    assert found.examples[3].target == 3.0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"article": None}, "`article` is no text"),
        ({"questions": "Which?"}, "`questions` is no list"),
        ({"questions": [None, "What?"]}, "`questions` holds what is no text"),
        ({"options": [[1, 2, 3, 4], ["e", "f", "g", "h"]]}, "`options` holds what is no text"),
        ({"options": [None, None]}, "`options` holds what is no text"),
        ({"options": ["abcd", "efgh"]}, "`options` holds what is no text"),
        ({"answers": ["A"]}, "2 questions, 2 options, 1 answers"),
    ],
)
def test_an_article_of_race_that_is_none_is_one_clear_line(
    tmp_path: Path, changed: dict[str, object], said: str
) -> None:
    wrong = json.dumps(json.loads(article()) | changed)
    with pytest.raises(UserError, match=rf"^dev/high/7\.txt: .*{said}"):
        read("race", tmp_path, RACE | {"RACE/dev/high/7.txt": wrong})


@pytest.mark.parametrize("text", ["[]", "{}", '{"questions": []}'])
def test_an_article_of_race_without_its_keys_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="not a RACE article with article, questions, options, ans"):
        read("race", tmp_path, RACE | {"RACE/dev/high/7.txt": text})


def test_json_that_is_nested_too_deeply_is_one_clear_line(tmp_path: Path) -> None:
    deep = "[" * 100_000
    with pytest.raises(UserError, match=r"^dev/high/7\.txt: not JSON"):
        read("race", tmp_path / "race", RACE | {"RACE/dev/high/7.txt": deep})
    with pytest.raises(UserError, match=r"^snli_1\.0_train\.jsonl, line 1: not JSON"):
        read("snli", tmp_path / "snli", {"snli_1.0_train.jsonl": deep})


def test_what_a_mac_writes_beside_the_files_is_ignored(tmp_path: Path) -> None:
    beside = {f"race/{name.replace('7.txt', '._7.txt')}": "\0" for name in RACE}
    folders = {name.replace("RACE", "__MACOSX"): "\0" for name in RACE}
    plain = {name.replace("RACE", "race"): text for name, text in RACE.items()}
    found = read("race", tmp_path, plain | folders | beside)
    assert table.split_sizes(found.examples) == {"train": 4, "dev": 4, "test": 4}


STORY = (
    "InputStoryid,InputSentence1,InputSentence2,InputSentence3,InputSentence4,"
    "RandomFifthSentenceQuiz1,RandomFifthSentenceQuiz2"
)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_too_few_stories_for_a_dev_split_are_refused(tmp_path: Path, rows: int) -> None:
    text = f"{STORY},AnswerRightEnding\n" + "1,a,b,c,d,e,f,1\n" * rows
    with pytest.raises(UserError, match=rf"^cloze_test_val__x\.csv: {rows} stories; a fifth"):
        read("story_cloze", tmp_path, {"cloze_test_val__x.csv": text})


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_questions_for_a_dev_split_are_refused(tmp_path: Path, rows: int) -> None:
    text = "id\tquestion1\tquestion2\tis_duplicate\n" + "1\ta\tb\t0\n" * rows
    with pytest.raises(UserError, match=rf"quora_duplicate_questions\.tsv: {rows} rows; a tenth"):
        read("qqp", tmp_path, {"quora_duplicate_questions.tsv": text})


@pytest.mark.parametrize("year", ["spring2016", "winter2018"])
def test_story_cloze_trains_on_four_fifths_of_the_validation_file(
    tmp_path: Path, year: str
) -> None:
    rows = "".join(f'id{n},One.,"Two, too.",Three.,Four.,Bad.,Good.,2\n' for n in range(10))
    files = {
        f"cloze_test_val__{year} - cloze_test_ALL_val.csv": STORY + ",AnswerRightEnding\n" + rows,
        f"cloze_test_test__{year} - cloze_test_ALL_test.csv": STORY
        + "\nid,One.,Two.,Three.,Four.,Bad.,Good.\n",
    }
    found = read("story_cloze", tmp_path, files)
    assert table.split_sizes(found.examples)["train"] == 8
    assert len(of_split(found, "dev")) == 2
    first = found.examples[0]
    assert first.text == "One. Two, too. Three. Four."
    assert (first.choices, first.target) == (("Bad.", "Good."), 1.0)
    assert [example.target for example in of_split(found, "test")] == [None]
    published = "1,257" if "2018" in year else "1,497"
    assert any(f"where the authors publish {published}" in each for each in found.warnings)


@pytest.mark.parametrize(
    ("valid", "test"),
    [
        ("val_spring2016.csv", "test_spring2016.csv"),
        ("val_winter2018.csv", "test_winter2018.csv"),
        ("spring2016.val.csv", "spring2016.test.csv"),
        ("cloze_test_val__spring2016 - cloze_test_ALL_val.csv", "cloze_test_spring2016-test.csv"),
    ],
)
def test_story_cloze_has_a_test_split_whatever_its_files_are_called(
    tmp_path: Path, valid: str, test: str
) -> None:
    rows = "".join(f"id{n},One.,Two.,Three.,Four.,Bad.,Good.,2\n" for n in range(10))
    files = dict.fromkeys((valid, test), STORY + ",AnswerRightEnding\n" + rows)
    found = read("story_cloze", tmp_path, files)
    assert table.split_sizes(found.examples) == {"train": 8, "dev": 2, "test": 10}
    assert {example.target for example in of_split(found, "test")} == {1.0}


@pytest.mark.parametrize("own_file", [False, True])
def test_a_pair_of_questions_with_a_tab_too_many_is_dropped_and_costs_no_other(
    tmp_path: Path, own_file: bool
) -> None:
    columns = header("id qid1 qid2 question1 question2 is_duplicate")
    rows = [f"{n} | 1 | 2 | Why {n}? | How? | {n % 2}" for n in range(20)]
    rows[3] = "3 | 1 | 2 | Why | 3? | How? | 1"
    if own_file:
        files = {"quora_duplicate_questions.tsv": columns + tsv(*rows)}
    else:
        good = columns + tsv(*rows[:3])
        files = {"QQP/train.tsv": columns + tsv(*rows), "QQP/dev.tsv": good}
    found = read("qqp", tmp_path, files)
    name, line = next(iter(files)).rpartition("/")[2], 5
    assert found.task.dropped == {"too many columns": 1}
    told = f"{name}, line {line}: 1 more columns than the header; dropped, as are all such rows"
    assert told in found.warnings
    assert "rows dropped: 1 for too many columns" in found.warnings
    texts = {example.text for example in found.examples}
    assert {"Why 2?", "Why 4?"} <= texts
    assert not texts & {"Why", "3?"}


def test_quoras_own_file_is_read_as_a_spreadsheet_and_split_here(tmp_path: Path) -> None:
    rows = "".join(f'"{n}"\t"1"\t"2"\t"Why ""x""\nor y?"\t"B{n}?"\t"{n % 2}"\n' for n in range(20))
    files = {"quora_duplicate_questions.tsv": header("id qid1 qid2 question1 question2 is_duplicate") + rows}  # fmt: skip  # noqa: E501
    found = read("qqp", tmp_path, files)
    assert table.split_sizes(found.examples) == {"train": 18, "dev": 2}
    assert found.examples[0].text == 'Why "x"\nor y?'
    assert any("splits" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"He \x81 ran.\nhe\nAnn,Sue\nSue\n", "neither UTF-8 nor Windows-1252"),
        ("Ann hit Sue and she cried.".encode("utf-16"), "UTF-16, or no text"),
        ("Ann hit Sue and she cried.".encode("utf-16-le"), "UTF-16, or no text"),
    ],
)
def test_records_of_dprd_that_are_no_text_are_named(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "train.c.txt").write_bytes(content)
    with pytest.raises(UserError, match=rf"^train\.c\.txt: {said}; save it as UTF-8"):
        load.official("dprd", tmp_path)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_records_of_dprd_may_end_their_lines_as_any_system_does(tmp_path: Path, end: str) -> None:
    record = "Ann hit Sue and she cried.\nshe\nAnn,Sue\nSue\n\n" * 2
    (tmp_path / "train.c.txt").write_bytes(record.replace("\n", end).encode())
    assert table.split_sizes(load.official("dprd", tmp_path).examples) == {"train": 2}


def test_dprd_is_cut_at_the_pronoun_that_follows_both_candidates(tmp_path: Path) -> None:
    text = (
        "It was known that the bee saw the flower because it had pollen.\nit\n"
        "the bee,the flower\nThe flower\n\n"
        "When Ann hit Sue, she cried.\r\nshe\r\nAnn, Sue\r\nSue\n"
    )
    assert read("dprd", tmp_path, {"train.c.txt": text, "test.c.txt": text}).examples[:2] == [
        Example(
            "train",
            "0",
            "It was known that the bee saw the flower because",
            "had pollen.",
            ("the bee", "the flower"),
            1.0,
        ),
        Example("train", "1", "When Ann hit Sue,", "cried.", ("Ann", "Sue"), 1.0),
    ]


@pytest.mark.parametrize(
    ("record", "before"),
    [
        (
            "The workers heard they had been fired by the firm, because they cost much.|they"
            "|The workers,the firm",
            "The workers heard they had been fired by the firm, because",
        ),
        (
            "Ann told Sue about the day she won, since she liked stories.|she|Ann,Sue",
            "Ann told Sue about the day she won, since",
        ),
        (
            "Sam hates Kim, because she felt that she was rude.|she|Sam,Kim",
            "Sam hates Kim, because",
        ),
        ("Dan told Ron that he was the best he knew.|he|Dan,Ron", "Dan told Ron that"),
        ("Al met Hal although Hal said he hid.|he|Al,Hal", "Al met Hal although Hal said"),
    ],
)
def test_of_a_pronoun_that_stands_twice_the_one_after_the_connective_is_meant(
    tmp_path: Path, record: str, before: str
) -> None:
    sentence, pronoun, choices = record.split("|")
    text = f"{sentence}\n{pronoun}\n{choices}\n{choices.split(',')[0]}\n"
    [example] = read("dprd", tmp_path, {"train.c.txt": text}).examples
    assert example.text == before
    assert sentence == f"{before} {pronoun} {example.text_pair}"


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_sentence_that_ends_with_its_pronoun_is_dropped_and_costs_no_other(
    tmp_path: Path, split: str
) -> None:
    good = "Ann hit Sue and she cried.\nshe\nAnn,Sue\nSue\n\n"
    text = good + "Ann ran so Sue saw her\nher\nAnn,Sue\nAnn\n\n" + good
    found = read("dprd", tmp_path, {f"{split}.c.txt": text})
    assert [example.id for example in found.examples] == ["0", "2"]
    assert found.task.dropped == {"no such record": 1}
    assert f"{split}.c.txt, record 2: nothing follows the pronoun" in " ".join(found.warnings)


def test_a_record_of_dprd_that_is_none_is_dropped_counted_and_named(tmp_path: Path) -> None:
    good = "Ann hit Sue and she cried.\nshe\nAnn,Sue\nSue\n"
    text = f"{good}{good}\n\n\nAnn hit Sue.\nshe\nAnn,Sue\nBob\n\n{good}"
    found = read("dprd", tmp_path, {"train.c.txt": text, "test.c.txt": good})
    assert table.split_sizes(found.examples) == {"train": 3, "test": 1}
    assert found.task.dropped == {"no such record": 1}
    assert "train.c.txt, record 3: 'Bob' is not one of two candidates" in found.warnings[0]


def test_winograd_schemas_are_cut_at_the_pronoun(tmp_path: Path) -> None:
    text = (
        "<collection><schema><text><txt1>The councilmen refused because</txt1><pron>they</pron>"
        "<txt2>feared\n violence.</txt2></text><quote><quote1/></quote><answers>"
        "<answer>the councilmen</answer><answer> the demonstrators</answer></answers>"
        "<correctAnswer> A. </correctAnswer></schema></collection>"
    )
    assert read("winograd", tmp_path, {"WSCollection.xml": text}).examples == [
        Example(
            "test",
            "0",
            "The councilmen refused because",
            "feared violence.",
            ("the councilmen", "the demonstrators"),
            0.0,
        )
    ]


SCHEMA = """
<schema>
<text>
<txt1>
The nurse thanked the porter number {n} because
</txt1>
<pron> he  </pron>
<txt2>
{after}
</txt2>
</text>
<quote>
<pron>he </pron>
<quote2> had helped </quote2>
</quote>
<answers>
<answer> The nurse </answer>
<answer> the porter </answer>
</answers>
<correctAnswer> {correct}  </correctAnswer>
<source> (nobody 2012) </source>
</schema>
"""


def schemas(count: int) -> str:
    """A collection as Davis publishes it."""
    parts = [
        SCHEMA.format(n=n, after="was so clever.", correct=("A", "B.")[n % 2]) for n in range(count)
    ]
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n'
        '<?xml-stylesheet type="text/xsl" href="WSExample.xsl"?>\n\n'
        f"<collection>\n{''.join(parts)}\n</collection>\n"
    )


@pytest.mark.parametrize("count", [273, 285])
def test_the_path_may_be_that_of_the_xml_file_and_both_its_editions_are_whole(
    tmp_path: Path, count: int
) -> None:
    folder(tmp_path, {"ws.xml": schemas(count), "WSCollection.xml": schemas(1)})
    found = load.official("winograd", tmp_path / "ws.xml")
    assert found.warnings == []
    assert table.split_sizes(found.examples) == {"test": count}
    assert found.examples[1] == Example(
        "test",
        "1",
        "The nurse thanked the porter number 1 because",
        "was so clever.",
        ("The nurse", "the porter"),
        1.0,
    )


def test_a_schema_that_ends_with_its_pronoun_is_dropped(tmp_path: Path) -> None:
    whole = schemas(2).replace("was so clever.", "", 1)
    found = read("winograd", tmp_path, {"WSCollection.xml": whole})
    assert [example.id for example in found.examples] == ["1"]
    assert found.task.dropped == {"no such schema": 1}


def archive(path: Path, files: dict[str, str]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as opened:
            for name, text in files.items():
                opened.writestr(name, text)
    else:
        with tarfile.open(path, "w:gz") as opened_tar:
            for name, text in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(text.encode())
                opened_tar.addfile(entry, io.BytesIO(text.encode()))
    return path


@pytest.mark.parametrize("name", ["RTE.zip", "RTE.tar.gz"])
def test_an_archive_is_read_as_its_folder_would_be(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / name, {f"RTE/{file}": text for file, text in RTE.items()})
    assert load.official("rte", path).examples == read("rte", tmp_path / "f", RTE).examples


@pytest.mark.parametrize("name", ["RTE.zip", "RTE.TAR.GZ"])
def test_what_an_archive_lacks_is_said_of_the_archive(tmp_path: Path, name: str) -> None:
    files = {f"RTE/{file}": text for file, text in RTE.items()}
    del files["RTE/test.tsv"]
    found = load.official("rte", archive(tmp_path / name, files))
    assert f"{tmp_path}/{name}/RTE: no test.tsv, so there is no test split" in found.warnings
    with pytest.raises(UserError, match=rf"{name}: no quora|{name}: no QQP/train"):
        load.official("qqp", archive(tmp_path / name, {"a.tsv": ""}))


def test_an_empty_test_file_is_a_split_less(tmp_path: Path) -> None:
    found = read("rte", tmp_path, RTE | {"test.tsv": tsv("index | sentence1 | sentence2")})
    assert table.split_sizes(found.examples) == {"train": 1, "dev": 1}
    assert "test.tsv: it has no rows, so there is no test split" in found.warnings
    record = "Ann hit Sue and she cried.\nshe\nAnn,Sue\nSue\n"
    found = read("dprd", tmp_path / "dprd", {"train.c.txt": record, "test.c.txt": ""})
    assert table.split_sizes(found.examples) == {"train": 1}
    with pytest.raises(UserError, match=r"WSCollection\.xml: no row is an example of test"):
        read("winograd", tmp_path, {"WSCollection.xml": schemas(0)})


@pytest.mark.parametrize("name", ["bad.zip", "bad.tar.gz"])
@pytest.mark.parametrize("climber", ["../climbed.tsv", "/tmp/climbed-gpt1.tsv"])
def test_an_archive_that_climbs_out_of_its_folder_is_refused(
    tmp_path: Path, name: str, climber: str
) -> None:
    path = archive(tmp_path / name, RTE | {climber: "x"})
    with pytest.raises(UserError, match=r"outside .*do not trust this archive"):
        load.official("rte", path)
    assert not list(tmp_path.rglob("climbed*"))
    assert not Path("/tmp/climbed-gpt1.tsv").exists()


def test_an_archive_that_is_cut_short_is_one_clear_line(tmp_path: Path) -> None:
    path = archive(tmp_path / "RTE.tar.gz", {"RTE/train.tsv": "x" * 100_000})
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match=r"RTE\.tar\.gz: the archive is damaged"):
        load.official("rte", path)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_damaged_member_of_an_archive_is_one_clear_line(tmp_path: Path, method: int) -> None:
    path = tmp_path / "RTE.zip"
    with zipfile.ZipFile(path, "w", method) as opened:
        opened.writestr("train.tsv", "".join(f"Text {n * 7919 % 1000}.\n" for n in range(500)))
    content = bytearray(path.read_bytes())
    content[60:110] = b"\xff" * 50
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"RTE\.zip: the archive is damaged \(.+\); download"):
        load.official("rte", path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train.tsv": None}, r"no train\.tsv, so rte has no train split"),
        ({"dev.tsv": None}, r"no dev\.tsv, so rte has no dev split"),
        (
            {"train.tsv": tsv("sentence | label", "A. | 1")},
            r"train\.tsv, line 2: no column sentence1 for the task rte, only sentence, "
            r"label; is it another task's file\?",
        ),
        (
            {"dev.tsv": tsv("index | sentence1 | sentence2 | label", "0 | A | B | maybe")},
            r"dev\.tsv, line 2: unknown label 'maybe'; the labels of rte are entailment, not_en",
        ),
        (
            {"train.tsv": tsv("index | sentence1 | sentence2", "0 | A | B")},
            r"train\.tsv, line 2: no column label",
        ),
        ({"dev.tsv": ""}, r"dev\.tsv: no row is an example of dev for rte .*no rows"),
        (
            {"dev.tsv": tsv("index | sentence1 | sentence2 | label", "0 | A", "1 | B")},
            r"dev\.tsv: no row is .* \(dev\.tsv, line 2: there is no sentence2",
        ),
    ],
)
def test_wrong_files_are_one_clear_line(
    tmp_path: Path, files: dict[str, str | None], message: str
) -> None:
    chosen = {name: text for name, text in (RTE | files).items() if text is not None}
    with pytest.raises(UserError, match=message) as error:
        read("rte", tmp_path, chosen)
    assert "\n" not in str(error.value)


def test_rows_with_too_few_columns_are_dropped_counted_and_the_first_is_named(
    tmp_path: Path,
) -> None:
    rows = tsv("index | sentence1 | sentence2 | label", "0 | A | B | entailment", "1 | A", "2 | C")
    found = read("rte", tmp_path, RTE | {"train.tsv": rows})
    assert found.task.dropped == {"too few columns": 2}
    assert found.warnings[0] == (
        "train.tsv, line 3: there is no sentence2; dropped, as are all such rows"
    )


def test_an_empty_text_is_dropped_from_training_and_kept_where_it_is_scored(
    tmp_path: Path,
) -> None:
    rows = tsv("index | sentence1 | sentence2 | label", "0 | A | B | entailment", "1 |   | B | entailment")  # fmt: skip  # noqa: E501
    found = read("rte", tmp_path, RTE | {"train.tsv": rows, "dev.tsv": rows})
    assert table.split_sizes(found.examples) == {"train": 1, "dev": 2, "test": 1}
    assert found.task.dropped == {"empty text": 1}


def test_bytes_that_are_no_text_are_named_by_line(tmp_path: Path) -> None:
    folder(tmp_path, RTE)
    (tmp_path / "dev.tsv").write_bytes(b"index\tsentence1\tsentence2\tlabel\n0\t\xff\tB\tx\n")
    with pytest.raises(UserError, match=r"dev\.tsv, line 2: not UTF-8"):
        load.official("rte", tmp_path)


def test_a_split_that_is_short_is_a_warning_that_names_its_file(tmp_path: Path) -> None:
    assert (
        "train.tsv: 1 examples of train, where the authors publish 2,490"
        in read("rte", tmp_path, RTE).warnings
    )


def test_an_unknown_task_is_refused_with_the_way_to_declare_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tasks\.imdb is not a task of the paper .*docs/tasks\.md"):
        load.official("imdb", tmp_path)


def test_raw_labels_are_as_many_as_the_labels() -> None:
    for official in registry.TASKS.values():
        if official.task.labels and official.raw_labels:
            assert len(official.task.labels) == len(official.raw_labels)


def test_minimal_pairs_of_all_files_are_choices_of_which_the_first_is_right(tmp_path: Path) -> None:
    pair = {"sentence_good": "She sees herself.", "sentence_bad": "She sees himself."}
    files = {
        "data/gender.jsonl": json.dumps(pair | {"field": "syntax/semantics"}) + "\n",
        "data/turns.jsonl": json.dumps(pair) + "\n",
        "__MACOSX/data/._turns.jsonl": "no JSON",
    }
    for name in ("blimp", "blimp_supplement"):
        assert read(name, tmp_path, files).examples == [
            Example("test", f"{stem}/0", ".", None, tuple(pair.values()), 0.0, group)
            for stem, group in (("gender", "syntax_semantics"), ("turns", "turns"))
        ]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"readme.txt": "x"}, r"no \.jsonl here"),
        ({"a.jsonl": '{"sentence_good": "A."}'}, r"a\.jsonl, line 1: no column sentence_bad"),
        ({"a.jsonl": '{"sentence_good": 1, "sentence_bad": "B."}'}, "holds 1, not a text"),
        ({"a.jsonl": "{"}, r"a\.jsonl, line 1: not JSON"),
    ],
)
def test_what_is_no_minimal_pair_is_one_line(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        read("blimp", tmp_path, files)


REAL = os.environ.get("GPT1_REAL_DATA")
SHORT = {
    "mrpc": {"train": 3667},
    "qqp": {"train": 8999, "dev": 1000},
    "mnli": {"train": 8999, "dev_matched": 1000},
    "qnli": {"train": 8999},
    "snli": {"train": 8999, "dev": 1000},
    "race": {"train": 784, "dev": 119, "test": 97},
}
"""The files at hand are subsets here; their README says so."""
GLUE = ["cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte", "wnli"]
PLACES = {
    "snli": "snli_1.0",
    "race": "RACE",
    "story_cloze": "storycloze",
    "dprd": "dprd",
    "blimp": "blimp/BLiMP.zip",
} | dict.fromkeys(GLUE, "glue_data")


@pytest.mark.skipif(not REAL, reason="GPT1_REAL_DATA is not set")
@pytest.mark.parametrize("name", PLACES)
def test_the_real_files_have_the_published_sizes_or_their_known_ones(name: str) -> None:
    found = load.official(name, Path(REAL or "") / "tasks" / PLACES[name])
    expected = registry.TASKS[name].published_sizes | SHORT.get(name, {})
    sizes = table.split_sizes(found.examples)
    assert sizes == {split: expected[split] for split in sizes}
    assert {"train"} < set(sizes) or name in ("dprd", "blimp")
    labelled = [e for e in found.examples if e.split != "test" and e.target is not None]
    assert len(labelled) == sum(
        count for split, count in sizes.items() if split not in ("test", "diagnostic")
    )


@pytest.mark.skipif(not REAL, reason="GPT1_REAL_DATA is not set")
def test_microsofts_files_hold_the_row_that_glues_lack(tmp_path: Path) -> None:
    real = Path(REAL or "") / "tasks/glue_data/MRPC"
    for name in ("msr_paraphrase_train.txt", "msr_paraphrase_test.txt", "dev_ids.tsv"):
        (tmp_path / name).write_bytes((real / name).read_bytes())
    found = load.official("mrpc", tmp_path)
    assert table.split_sizes(found.examples) == registry.TASKS["mrpc"].published_sizes
