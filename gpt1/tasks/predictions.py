"""The answers of a fine-tuned model on the splits that are reported, in one Parquet schema."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gpt1.files import publish, read_tagged_parquet
from gpt1.tasks.table import Example, Task

SCHEMA = pa.schema(
    [
        ("split", pa.string()),
        ("id", pa.string()),
        ("group", pa.string()),
        ("cluster", pa.int32()),
        ("target", pa.float64()),
        ("scores", pa.list_(pa.float32())),  # a probability for each label or choice; or the score
    ]
)
LARGEST_CLUSTER = 50


@dataclass(frozen=True)
class Predictions:
    task: Task
    model: str
    seed: int
    majority_answer: float
    """The answer of the majority baseline, see `majority_answer`; `usual` in the file."""
    sha256: str
    """Of the task's table."""
    split: np.ndarray
    id: np.ndarray
    group: np.ndarray
    """None where the task has no groups."""
    cluster: np.ndarray
    """int: examples of a split that share their first text have one number, see `clusters`."""
    target: np.ndarray
    """float64, NaN where unknown."""
    scores: list[np.ndarray]

    @property
    def answers(self) -> np.ndarray:
        """float64 (examples,): index of the likeliest label or choice, or a regression's score."""
        if self.task.shape == "regression":
            return np.array([float(scores[0]) for scores in self.scores])
        return np.array([float(np.argmax(scores)) for scores in self.scores])


def majority_answer(task: Task, examples: Sequence[Example]) -> float:
    """The most frequent target of the training examples; in a regression, their mean."""
    targets = np.array([e.target for e in examples if e.split == "train"], dtype=np.float64)
    if task.shape == "regression":
        return float(targets.mean())
    return float(np.bincount(targets.astype(int)).argmax())


def clusters(examples: Sequence[Example]) -> list[int]:
    """Number the first texts of each split, which several examples may share: RACE's articles, the
    premises of SNLI and MNLI. What chance made of such a text is in the answers of all of them.

    A text of more than `LARGEST_CLUSTER` examples is taken for a prompt; those count alone.
    """
    texts = [(example.split, example.text) for example in examples]
    sizes, numbers = Counter(texts), dict[object, int]()
    keys = [text if sizes[text] <= LARGEST_CLUSTER else place for place, text in enumerate(texts)]
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def write_predictions(
    path: Path,
    task: Task,
    examples: Sequence[Example],
    scores: Sequence[np.ndarray],
    *,
    model: str,
    seed: int,
    majority_answer: float,
    sha256: str,
) -> None:
    """Publish the scores of `examples`, in their order; `sha256` is that of the task's table."""
    columns = {
        name: [getattr(example, name) for example in examples]
        for name in ("split", "id", "group", "target")
    }
    columns["cluster"] = clusters(examples)
    made_by = {"model": model, "seed": seed, "usual": majority_answer, "sha256": sha256}
    metadata = {"task": task.to_json(), "made_by": json.dumps(made_by)}
    table = pa.table(columns | {"scores": list(scores)}, schema=SCHEMA)
    with publish(path) as beside:
        pq.write_table(table.replace_schema_metadata(metadata), beside)


def read_predictions(path: Path) -> Predictions:
    """Read what `write_predictions` wrote; raises UserError for any other file."""
    table = read_tagged_parquet(path, "made_by", "a predictions file")
    made_by = json.loads(table.schema.metadata[b"made_by"])
    column = {name: table[name].to_numpy(zero_copy_only=False) for name in SCHEMA.names}
    return Predictions(
        task=Task.from_json(table.schema.metadata[b"task"]),
        majority_answer=made_by.pop("usual"),
        **made_by,
        **column | {"scores": list(column["scores"])},
    )
