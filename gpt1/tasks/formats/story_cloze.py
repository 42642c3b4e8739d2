"""Reader of Story Cloze, 2016 and 2018: four sentences, two endings (Mostafazadeh et al. 2016)."""

from dataclasses import replace
from pathlib import Path

from sklearn.model_selection import train_test_split

from gpt1.errors import UserError
from gpt1.tasks.formats.collector import ColumnMapping, ExampleCollector
from gpt1.tasks.formats.official_files import find_file
from gpt1.tasks.formats.rows import Row, csv_rows

SENTENCES = [f"InputSentence{number}" for number in range(1, 5)]
COLUMNS = ColumnMapping(
    text="story",
    choices=("RandomFifthSentenceQuiz1", "RandomFifthSentenceQuiz2"),
    target="AnswerRightEnding",
    id="InputStoryid",
)
VALID = ("cloze_test_val__*.csv", "*val*.csv")
TEST = ("cloze_test_test__*.csv", "cloze_test_spring2016*.csv", "test_*.csv", "*test.csv")
"""Patterns of the files' names, which differ from one distribution to the next."""
DEV_FRACTION = 0.2
WINTER_2018 = {"train": 1257, "dev": 314, "test": 1571}
SEED = 3535999445  # of the released code, which gives the same 1,497 and 374 stories


def story_cloze(root: Path, collector: ExampleCollector) -> None:
    """Split the labelled validation file into train and dev; the test file is test."""
    valid = find_file(root, *VALID)
    if valid is None:
        raise UserError(
            f"{collector.show(root)}: no cloze_test_val__*.csv, the file with labelled stories"
        )
    if "2018" in valid.name:
        collector.published_sizes = WINTER_2018
    collector.add_rows("train", valid, _stories(valid), COLUMNS, labelled=True)
    stories = len(collector.examples)
    dev_size = round(DEV_FRACTION * stories)
    if not dev_size:
        why = f" ({collector.warnings[0]})" if collector.warnings else ""
        raise UserError(
            f"{valid.name}: {stories} stories{why}; a fifth becomes dev, so 3 are the fewest"
        )
    _, dev = train_test_split(range(stories), test_size=dev_size, random_state=SEED)
    for place in dev:
        collector.examples[place] = replace(collector.examples[place], split="dev")
    collector.files["dev"] = valid.name
    test = find_file(root, *TEST)
    if test is None:
        collector.warn(
            f"{collector.show(root)}: no cloze_test_test__*.csv, so there is no test split"
        )
    else:
        collector.add_rows("test", test, _stories(test), COLUMNS)


def _stories(path: Path) -> list[Row]:
    rows = []
    for row in csv_rows(path, ","):
        sentences = [row.values[name] for name in SENTENCES if name in row.values]
        whole = {"story": " ".join(sentences)} if len(sentences) == len(SENTENCES) else {}
        rows.append(replace(row, values=row.values | whole, header=[*row.header, *whole]))
    return rows
