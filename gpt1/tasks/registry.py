"""The tasks of the paper: description, reader of the official files, published sizes.

`gpt1.tasks.formats` says how to add one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gpt1.tasks.formats import (
    glue,
    inference,
    minimal_pairs,
    pronouns,
    quora,
    race,
    story_cloze,
)
from gpt1.tasks.formats.collector import ColumnMapping, Reader
from gpt1.tasks.table import Task


@dataclass(frozen=True)
class RegisteredTask:
    task: Task
    reader: Reader
    published_sizes: dict[str, int]
    """Split -> examples as the authors publish them; another size is a warning."""
    raw_labels: Sequence[str] = ()
    """The labels as the files write them, where they differ from the task's own."""


THREE_WAY = ("entailment", "neutral", "contradiction")
TWO_WAY = ("entailment", "not_entailment")
SAME = ("different", "same")
ZERO_ONE = ("0", "1")
PAIR = ColumnMapping(text="sentence1", text_pair="sentence2", target="label", id="index")

_TASKS = (
    RegisteredTask(
        Task(
            "cola",
            "classification",
            ("matthews", "accuracy"),
            ("unacceptable", "acceptable"),
            licence="not stated; fair use of published examples",
            citation="Warstadt et al. (2018), Neural Network Acceptability Judgments",
        ),
        glue.Cola("CoLA", PAIR),
        {"train": 8551, "dev": 1043, "test": 1063},
        ZERO_ONE,
    ),
    RegisteredTask(
        Task(
            "sst2",
            "classification",
            ("accuracy",),
            ("negative", "positive"),
            licence="not stated",
            citation="Socher et al. (2013), Recursive Deep Models for Semantic Compositionality "
            "Over a Sentiment Treebank",
        ),
        glue.Glue("SST-2", ColumnMapping(text="sentence", target="label")),
        {"train": 67349, "dev": 872, "test": 1821},
        ZERO_ONE,
    ),
    RegisteredTask(
        Task(
            "mrpc",
            "similarity",
            ("f1", "accuracy"),
            SAME,
            licence="Microsoft Research data licence",
            citation="Dolan and Brockett (2005), Automatically Constructing a Corpus of Sentential "
            "Paraphrases",
        ),
        glue.Mrpc("MRPC", ColumnMapping(text="#1 String", text_pair="#2 String", target="Quality")),
        {"train": 3668, "dev": 408, "test": 1725},
        ZERO_ONE,
    ),
    RegisteredTask(
        Task(
            "qqp",
            "similarity",
            ("f1", "accuracy"),
            SAME,
            licence="Quora's terms of service",
            citation="Iyer et al. (2017), First Quora Dataset Release: Question Pairs",
        ),
        quora.quora,
        {"train": 363846, "dev": 40430, "test": 390965},
        ZERO_ONE,
    ),
    RegisteredTask(
        Task(
            "stsb",
            "regression",
            ("pearson", "spearman"),
            licence="mixed; see the LICENSE.txt that comes with it",
            citation="Cer et al. (2017), SemEval-2017 Task 1: Semantic Textual Similarity, "
            "Multilingual and Cross-lingual Focused Evaluation",
        ),
        glue.Glue(
            "STS-B",
            ColumnMapping(text="sentence1", text_pair="sentence2", target="score", id="index"),
        ),
        {"train": 5749, "dev": 1500, "test": 1379},
    ),
    RegisteredTask(
        Task(
            "mnli",
            "entailment",
            ("accuracy",),
            THREE_WAY,
            licence="OANC, CC BY-SA 3.0 and CC BY 3.0 by genre",
            citation="Williams et al. (2018), A Broad-Coverage Challenge Corpus for Sentence "
            "Understanding through Inference",
        ),
        inference.mnli,
        {
            "train": 392702,
            "dev_matched": 9815,
            "dev_mismatched": 9832,
            "test_matched": 9796,
            "test_mismatched": 9847,
            "diagnostic": 1104,
        },
    ),
    RegisteredTask(
        Task(
            "snli",
            "entailment",
            ("accuracy",),
            THREE_WAY,
            licence="CC BY-SA 4.0",
            citation="Bowman et al. (2015), A Large Annotated Corpus for Learning Natural Language "
            "Inference",
        ),
        inference.snli,
        {"train": 549367, "dev": 9842, "test": 9824},
    ),
    RegisteredTask(
        Task(
            "scitail",
            "entailment",
            ("accuracy",),
            ("entails", "neutral"),
            licence="Apache 2.0",
            citation="Khot et al. (2018), SciTail: A Textual Entailment Dataset from Science "
            "Question Answering",
        ),
        inference.scitail,
        {"train": 23596, "dev": 1304, "test": 2126},
    ),
    RegisteredTask(
        Task(
            "qnli",
            "entailment",
            ("accuracy",),
            TWO_WAY,
            licence="CC BY-SA 4.0",
            citation="Wang et al. (2019), GLUE, from Rajpurkar et al. (2016), SQuAD; version 2",
        ),
        glue.Glue(
            "QNLI", ColumnMapping(text="question", text_pair="sentence", target="label", id="index")
        ),
        {"train": 104743, "dev": 5463, "test": 5463},
    ),
    RegisteredTask(
        Task(
            "rte",
            "entailment",
            ("accuracy",),
            TWO_WAY,
            licence="not stated",
            citation="Bentivogli et al. (2009), The Fifth PASCAL RTE Challenge, and before",
        ),
        glue.Glue("RTE", PAIR),
        {"train": 2490, "dev": 277, "test": 3000},
    ),
    RegisteredTask(
        Task(
            "wnli",
            "entailment",
            ("accuracy",),
            ("not_entailment", "entailment"),
            licence="CC BY 4.0",
            citation="Levesque et al. (2012), The Winograd Schema Challenge, recast by GLUE",
        ),
        glue.Glue("WNLI", PAIR),
        {"train": 635, "dev": 71, "test": 146},
        ZERO_ONE,
    ),
    RegisteredTask(
        Task(
            "race",
            "multiple_choice",
            ("accuracy",),
            licence="non-commercial research only",
            citation="Lai et al. (2017), RACE: Large-scale ReAding Comprehension Dataset From "
            "Examinations",
        ),
        race.race,
        {"train": 87866, "dev": 4887, "test": 4934},
        ("A", "B", "C", "D"),
    ),
    RegisteredTask(
        Task(
            "story_cloze",
            "multiple_choice",
            ("accuracy",),
            licence="on request from its authors",
            citation="Mostafazadeh et al. (2016), A Corpus and Cloze Evaluation for Deeper "
            "Understanding of Commonsense Stories",
        ),
        story_cloze.story_cloze,
        {"train": 1497, "dev": 374, "test": 1871},
        ("1", "2"),
    ),
    RegisteredTask(
        Task(
            "dprd",
            "multiple_choice",
            ("accuracy",),
            licence="not stated",
            citation="Rahman and Ng (2012), Resolving Complex Cases of Definite Pronouns: The "
            "Winograd Schema Challenge",
        ),
        pronouns.dprd,
        {"train": 1322, "test": 564},
    ),
    RegisteredTask(
        Task(
            "winograd",
            "multiple_choice",
            ("accuracy",),
            licence="CC BY 4.0",
            citation="Levesque et al. (2012), The Winograd Schema Challenge",
        ),
        pronouns.winograd,
        {"test": 285},
    ),
    RegisteredTask(
        Task(
            "blimp",
            "multiple_choice",
            ("accuracy",),
            licence="CC BY 4.0",
            citation="Warstadt et al. (2020), BLiMP: The Benchmark of Linguistic Minimal Pairs for "
            "English",
        ),
        minimal_pairs.minimal_pairs,
        {"test": 67000},
        ("good", "bad"),
    ),
    RegisteredTask(
        Task(
            "blimp_supplement",
            "multiple_choice",
            ("accuracy",),
            licence="not stated",
            citation="Warstadt et al. (2023), Findings of the BabyLM Challenge",
        ),
        minimal_pairs.minimal_pairs,
        {},
        ("good", "bad"),
    ),
)
TASKS = {registered.task.name: registered for registered in _TASKS}
