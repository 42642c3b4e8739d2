"""Story Cloze, 2016 and 2018: four sentences, two endings (Mostafazadeh et al., 2016)."""

from dataclasses import replace
from pathlib import Path

from sklearn.model_selection import train_test_split

from gpt1.errors import UserError
from gpt1.tasks.formats.files import find
from gpt1.tasks.formats.reading import Columns, Reading
from gpt1.tasks.formats.rows import Row, quoted

SENTENCES = [f"InputSentence{number}" for number in range(1, 5)]
COLUMNS = Columns(
    text="story",
    choices=("RandomFifthSentenceQuiz1", "RandomFifthSentenceQuiz2"),
    target="AnswerRightEnding",
    id="InputStoryid",
)
HELD_OUT = 0.2
WINTER_2018 = {"train": 1257, "dev": 314, "test": 1571}
SEED = 3535999445  # the released code's, for the same 1,497 and 374 stories


def story_cloze(root: Path, reading: Reading) -> None:
    """The labelled validation file is split into train and dev; the test file is the result."""
    valid = find(root, "cloze_test_val__*.csv", "*val*.csv")
    if valid is None:
        raise UserError(f"{root}: no cloze_test_val__*.csv here, the file with labelled stories")
    if "2018" in valid.name:
        reading.counts = WINTER_2018
    reading.table("train", valid, _stories(valid), COLUMNS, labelled=True)
    stories = len(reading.examples)
    _, dev = train_test_split(
        range(stories), test_size=round(HELD_OUT * stories), random_state=SEED
    )
    for place in dev:
        reading.examples[place] = replace(reading.examples[place], split="dev")
    reading.files["dev"] = valid.name
    test = find(root, "cloze_test_test__*.csv", "cloze_test_spring2016*.csv")
    if test is None:
        reading.warn(f"{root.name}: no cloze_test_test__*.csv, so there is no test split")
    else:
        reading.table("test", test, _stories(test), COLUMNS)


def _stories(path: Path) -> list[Row]:
    rows = []
    for row in quoted(path, ","):
        sentences = [row.values[name] for name in SENTENCES if name in row.values]
        whole = {"story": " ".join(sentences)} if len(sentences) == len(SENTENCES) else {}
        rows.append(replace(row, values=row.values | whole, header=[*row.header, *whole]))
    return rows
