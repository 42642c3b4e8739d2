"""The params of an experiment: one frozen dataclass for each section of `params.yaml`.

No key has a default: DVC hashes only what `params.yaml` says. Each key states its allowed range,
the paper's value where there is one, and in the string below it what it means.

`params.schema.json` tells editors the same. After a change here, generate it again:

    python -m gpt1.params > params.schema.json
"""

import dataclasses
import difflib
import json
import re
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails

from gpt1.errors import UserError, refuse_unknown

T = TypeVar("T")


def _distinct(values: list[T]) -> list[T]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value} is listed twice")
    return values


def _check_path(path: str) -> str:
    """Raises ValueError where a shell would read another path.

    `dvc.yaml` puts a path between double quotes into a command, and as it is among the deps.
    """
    for each in SHELL:
        if each in path:
            raise ValueError(f"a path must not have {each!r}, which a shell would interpret")
    if path.startswith(("~", "-")):
        raise ValueError(f"a path must not begin with {path[0]}; write it in full")
    return path


SHELL = '"$`\\\n'
"""Characters that a shell interprets between double quotes."""
PathName = Annotated[str, AfterValidator(_check_path)]
Count = Annotated[int, Field(ge=0, strict=True)]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Distinct = Annotated[
    list[T], AfterValidator(_distinct), Field(json_schema_extra={"uniqueItems": True})
]
WORDS = "[1-9][0-9]*M words"


def _updates_or_words(value: Any) -> Any:
    if type(value) is int and value >= 0:
        return value
    if isinstance(value, str) and re.fullmatch(WORDS, value):
        return value
    raise ValueError("give a number of updates, or millions of words such as 10M words")


Checkpoint = Annotated[
    Any,
    AfterValidator(_updates_or_words),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": f"^{WORDS}$"}]}
    ),
]
Named = Annotated[
    dict[Annotated[str, Field(pattern="^[A-Za-z0-9_]+$")], T],
    Field(json_schema_extra={"additionalProperties": False}),
]
"""A section for each name of a model or a task; files are named after it."""
CONFIG = ConfigDict(
    use_attribute_docstrings=True,
    defer_build=True,  # until a section is first checked: a stage checks one, import stays fast
)
section = dataclass(frozen=True, kw_only=True, config=CONFIG | {"extra": "forbid"})


def key(paper: Any = None, **limits: Any) -> Any:
    """A required key: the paper's value (None where the paper gives none) and its allowed range."""
    return Field(json_schema_extra={"paper": paper}, **limits)


@section
class Raw:
    """Where the books come from."""

    path: PathName = key(min_length=1)
    """A folder or file with books, or a source file (`.yaml`) that names a package or address."""


@section
class Clean:
    """How books become documents, and which of them are validation books."""

    seed: int = key(ge=0)
    """Chooses the validation books, which pretraining never sees."""
    valid_fraction: float = key(gt=0, lt=1)
    """Share of the books that are validation books; of the passages if there are only one or two
    books."""
    min_words: int = key(ge=0)
    """Drop books with fewer words. Zhu et al. (2015), who made BookCorpus, took 20,000."""
    language: str = key()
    """Keep only books in this language (ISO 639 code). Empty: keep every language."""
    similar_books: float = key(gt=0, le=1)
    """Drop the shorter of two books whose 13-grams have at least this Jaccard similarity. Rae et
    al. (2021), appendix A, took 0.8."""
    similar_passages: float = key(gt=0, le=1)
    """Cut passages that repeat one of another book, from this Jaccard similarity on. 1: identical
    passages only."""


@section
class Contamination:
    """Overlap of the training books with evaluation tasks, in 13-grams of words as in Brown et al.
    (2020), appendix C."""

    tasks: list[str] = key()
    """Tasks, official or derived, whose overlap with the training books is reported."""
    drop: list[Literal["books", "paragraphs"]] = key()
    """Also make shards without the overlapping books or paragraphs: `shards_without_shared_books`,
    `shards_without_shared_paragraphs`."""

    def __post_init__(self) -> None:
        if self.drop and not self.tasks:
            raise ValueError("drop needs tasks: list those whose overlap is to be left out")


@section
class BPE:
    """The byte-pair vocabulary (section 4.1 of the paper)."""

    merges: int = key(paper=40_000, ge=1, le=65_000)
    """Merges learned from the training books."""


@section
class Model:
    """A network and its pretraining (sections 3.1 and 4.1 of the paper)."""

    kind: Literal["transformer", "lstm", "gpt2"] = key(paper="transformer")
    """Architecture. The paper's LSTM (section 5) has 1 layer and width 2048; all else is equal.
    gpt2: the Transformer with what GPT-2 changed, docs/analyses.md."""
    shards: str = key(paper="shards", pattern="^[A-Za-z0-9_./-]*$")
    """Folder in `data/` with the token shards to train on."""
    books: float = key(paper=1.0, gt=0, le=1)
    """Share of the training books to train on."""
    seed: int = key(ge=0)
    """Seed of the initial weights, the order of the windows and dropout."""
    layers: int = key(paper=12, ge=1)
    """Number of layers."""
    width: int = key(paper=768, ge=1)
    """Size of the hidden states; of a Transformer, a multiple of `heads`."""
    heads: int = key(paper=12, ge=1)
    """Attention heads in each layer; an LSTM has none."""
    context: int = key(paper=512, ge=2)
    """Tokens in one window."""
    dropout: float = key(paper=0.1, ge=0, lt=1)
    """Dropout rate of the embeddings, the attention weights and the residual branches."""
    epochs: int = key(paper=100, ge=0)
    """Passes over the books. 0: no pretraining."""
    batch: int = key(paper=64, ge=1)
    """Windows in one update."""
    micro_batch: int = key(ge=1)
    """Windows in memory at once; divides `batch`."""
    learning_rate: float = key(paper=2.5e-4, gt=0)
    """Peak learning rate of Adam."""
    warmup: int = key(paper=2000, ge=0)
    """Updates of linear warm-up, before the cosine decay to 0."""
    weight_decay: float = key(paper=0.01, ge=0)
    """Decoupled weight decay of the weight matrices."""
    clip: float = key(paper=1.0, gt=0)
    """Largest norm of the gradient; longer ones are scaled down."""
    precision: Literal["bf16", "fp32"] = key()
    """bf16: autocast matrix products to bfloat16; weights stay in float32. fp32: on an NVIDIA card,
    products are computed in TF32."""
    threads: int = key(ge=1)
    """CPU threads of each process. Results are bit-identical only for the same number."""
    compile: bool = key(strict=True)
    """On an accelerator, use torch.compile: faster, but not bit-identical to eager mode. A CPU
    gains nothing by it and leaves it."""
    deterministic: bool = key(strict=True)
    """Use kernels that give the same bits again on the same kind of GPU; false: the fastest. No
    difference on the CPU."""
    validate_every: Count = key()
    """Updates from one measurement of the held-out loss to the next, on the same documents. 0: only
    at the end, on all."""
    checkpoints: list[Checkpoint] = key()
    """Updates after which to keep a copy of the model, for the zero-shot curve and the samples; or
    millions of words read, such as `10M words`."""

    def __post_init__(self) -> None:
        if self.kind != "lstm" and self.width % self.heads:
            raise ValueError(f"heads: {self.heads} do not divide width: {self.width}")
        if self.batch % self.micro_batch:
            raise ValueError(f"micro_batch: {self.micro_batch} does not divide batch: {self.batch}")


Shape = Literal["classification", "entailment", "similarity", "regression", "multiple_choice"]
"""Of a task: what the network reads and answers."""
LSTM = {"kind": "lstm", "layers": 1, "width": 2048}
"""The paper's values for `kind: lstm` (section 5), where they differ from the Transformer's."""


@section
class Imported:
    """A model that others trained, used by its name like one of `models`."""

    path: PathName = key(min_length=1)
    """A directory of `transformers`, the folder with the weights released with the paper, or a
    source file (`.yaml`) that names addresses, such as `hub/openai-gpt.yaml`."""


@section
class DerivedTask:
    """A task made from the validation books, which pretraining never sees."""

    seed: int = key(ge=0)
    """Chooses the passages."""
    train: int = key(ge=1)
    """Number of training examples."""
    dev: int = key(ge=1)
    """Number of dev examples."""
    test: int = key(ge=1)
    """Number of test examples."""
    words: int = key(ge=1)
    """Least number of words in a passage; a passage is made of whole sentences."""


@section
class OfficialTask:
    """One of the paper's tasks, by its name in `gpt1.tasks.registry`."""

    path: PathName = key(min_length=1)
    """Its folder or archive, or a source file (`.yaml`) that names addresses."""


@section
class OwnTask:
    """A task of your own, declared in full: docs/tasks.md."""

    path: PathName = key(min_length=1)
    """Its folder or archive, or a source file (`.yaml`)."""
    shape: Shape = key()
    """What the network reads and answers."""
    labels: list[str] = key()
    """Labels as the files write them; in multiple choice, names of the places such as A, B, C; in
    a regression, none."""
    metrics: list[str] = key()
    """Metrics to compute; the first is the main one."""
    files: dict[str, str] = key()
    """Split (`train`, and `dev`, `test` or both) -> file in the folder."""
    columns: dict[str, str | list[str]] = key()
    """`text`, `text_pair`, `choices`, `target`, `id` or `group` -> column of the files."""


def _task_tag(values: Any) -> str:
    return "[own]" if isinstance(values, dict) and {*values} - {"path"} else "[official]"


Task = Annotated[
    Annotated[OfficialTask, Tag("[official]")] | Annotated[OwnTask, Tag("[own]")],
    Discriminator(_task_tag),
]


@section
class Finetune:
    """The recipe that fine-tunes a model on one task (section 4.1 of the paper)."""

    learning_rate: float = key(paper=6.25e-5, gt=0)
    """Peak learning rate of Adam."""
    epochs: int = key(paper=3, ge=0)
    """Passes over the training examples."""
    batch: int = key(paper=32, ge=1)
    """Examples in one update."""
    micro_batch: int = key(ge=1)
    """Examples in memory at once."""
    warmup: float = key(paper=0.002, ge=0, le=1)
    """Share of the updates with linear warm-up, before the linear decay to 0."""
    auxiliary: float = key(paper=0.5, ge=0)
    """Weight of the auxiliary language-model loss."""
    dropout: float = key(paper=0.1, ge=0, lt=1)
    """Dropout rate of the classifier's input; the network keeps its own."""
    weight_decay: float = key(paper=0.01, ge=0)
    """Decoupled weight decay of the weight matrices."""
    clip: float = key(paper=1.0, gt=0)
    """Largest norm of the gradient; longer ones are scaled down."""
    precision: Literal["bf16", "fp32"] = key()
    """bf16: autocast matrix products to bfloat16; weights stay in float32. fp32: on an NVIDIA card,
    products are computed in TF32."""
    threads: int = key(ge=1)
    """CPU threads. Results are bit-identical only for the same number."""
    deterministic: bool = key(strict=True)
    """Use kernels that give the same bits again on the same kind of GPU; false: the fastest. No
    difference on the CPU."""


@section
class Compare:
    """Fine-tune every model on every task, once for each seed, and compare (Table 5)."""

    tasks: Distinct[str] = key()
    """Tasks; each needs its recipe in `finetune`."""
    models: Distinct[str] = key()
    """Names from `models` or `imported`."""
    seeds: Distinct[Seed] = key()
    """Fine-tuning seeds: order of the examples, dropout, classifier."""
    kept_weights: Distinct[Seed] = key()
    """Those of the seeds whose fine-tuned models are kept, 466 MB each at the paper's size. Of the
    other seeds only predictions and curves are kept. docs/tasks.md."""


@section
class NoAuxiliary:
    """Fine-tune the model `gpt` without the auxiliary language-model loss (Table 5)."""

    tasks: Distinct[str] = key()
    """Tasks; each needs its recipe in `finetune`."""
    seeds: Distinct[Seed] = key()
    """Fine-tuning seeds."""


@section
class Transfer:
    """Fine-tune the model `gpt` with only its first layers pretrained (Figure 2, left)."""

    layers: Distinct[Count] = key()
    """Numbers of layers to transfer; the others start untrained. 0: only the embeddings."""
    tasks: Distinct[str] = key()
    """Tasks; each needs its recipe in `finetune`."""
    seeds: Distinct[Seed] = key()
    """Fine-tuning seeds."""


@section
class Card:
    """The model card of a model, for a hub: docs/evaluate.md."""

    licence: str = key(min_length=1)
    """Licence of the model on the hub, in its spelling (`mit`, `cc0-1.0`, `other`): one that the
    licence of the books allows."""


def fine_tuned(
    task: str, compare: Compare, no_auxiliary: NoAuxiliary, transfer: Transfer
) -> dict[str, list[int]]:
    """The models that are fine-tuned on `task`, such as `gpt` or `transfer_2`, and their seeds."""
    models = {model: compare.seeds for model in compare.models if task in compare.tasks}
    if task in no_auxiliary.tasks:
        models["no_auxiliary"] = no_auxiliary.seeds
    if task in transfer.tasks:
        models |= {f"transfer_{layers}": transfer.seeds for layers in transfer.layers}
    return {model: seeds for model, seeds in models.items() if seeds}


def cells(task: str, compare: Compare, no_auxiliary: NoAuxiliary, transfer: Transfer) -> list[str]:
    """The fine-tunes of `task` by model and seed, such as `gpt-1` or `transfer_2-1`."""
    models = fine_tuned(task, compare, no_auxiliary, transfer)
    return [f"{model}-{seed}" for model, seeds in models.items() for seed in seeds]


@section
class ZeroShot:
    """Score every checkpoint of some models without fine-tuning (Figure 2, right)."""

    tasks: Distinct[str] = key()
    """Tasks that have a zero-shot heuristic: docs/analyses.md."""
    models: Distinct[str] = key()
    """Names from `models` or `imported`."""
    threads: int = key(ge=1)
    """CPU threads. Results are bit-identical only for the same number."""


@section
class Samples:
    """Text that every checkpoint of some models continues from a prompt."""

    models: Distinct[str] = key()
    """Names from `models` or `imported`."""
    prompt: str = key(min_length=1)
    """The text to continue."""
    tokens: int = key(ge=1)
    """Number of tokens to generate."""
    temperature: float = key(ge=0)
    """Sampling temperature. 0: always the most likely token."""
    top_k: int = key(ge=0)
    """Sample from this many most likely tokens. 0: from all."""
    seed: int = key(ge=0)
    """Seed of the sampling."""


@section
class Shuffling:
    """Pairs of models that differ only in their shards: contiguous text, and shuffled sentences."""

    seeds: Distinct[Seed] = key()
    """Seeds of the shuffle; each makes shards `shards_shuffled_SEED`."""
    books: float = key(paper=1.0, gt=0, le=1)
    """Share of the training books to shuffle; `books` of each contiguous model must equal it."""
    contiguous: Distinct[str] = key()
    """Models that read contiguous text."""
    shuffled: Distinct[str] = key()
    """Models that read the shuffled sentences, in the order of their counterparts. Several pairs
    with other seeds give an interval."""

    def __post_init__(self) -> None:
        if len(self.contiguous) != len(self.shuffled):
            raise ValueError("contiguous and shuffled must list as many models as each other")


@section
class Scaling:
    """Validation loss over books and size, of models that differ only in these."""

    models: Distinct[str] = key()
    """Names from `models`."""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Experiment:
    """The sections that the report reads."""

    bpe: BPE
    models: Named[Model]
    """Models to pretrain, by name."""
    finetune: Named[Finetune]
    """The recipe of each task, by the task's name."""
    compare: Compare
    no_auxiliary: NoAuxiliary
    transfer: Transfer
    zero_shot: ZeroShot
    samples: Samples
    shuffling: Shuffling
    scaling: Scaling
    contamination: Contamination


def _corpus(value: Any) -> Any:
    if value not in ([], ["books"]):
        raise ValueError("must be [books], or [] for none")
    return value


ABLATION = re.compile(r"no_auxiliary|transfer_\d+")
"""Stands for the model in the names of results whose model is a changed `gpt`."""
VOCABULARY = "bpe"
"""The vocabulary of the books in `data/vocabularies/`; beside it are those of imported models."""
FINETUNED = ("compare", "no_auxiliary", "transfer")
"""Sections whose tasks are fine-tuned."""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Params(Experiment):
    """All of `params.yaml`. Other sections may stand beside these, for stages of your own."""

    corpus: Annotated[list[Literal["books"]], BeforeValidator(_corpus), Field(max_length=1)]
    """[books]: make documents, vocabulary and shards from `raw.path`. []: use imported models only;
    `raw` and `clean` may be left out."""
    raw: Raw = key(default=None)
    clean: Clean = key(default=None)
    imported: Named[Imported]
    """Models that others trained, by name."""
    cards: Named[Card]
    """Model cards, by the name of a model or an imported one."""
    derived_tasks: Named[DerivedTask]
    """Tasks made from the validation books: book, continuation, same_book, next_sentence."""
    tasks: Named[Task]
    """The paper's tasks and your own, by name, from their files: docs/tasks.md."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_misspelt_sections(cls, values: Any) -> Any:
        for name in sorted({*map(str, values)} - {*_keys(cls)}):
            if near := difflib.get_close_matches(name, _keys(cls), n=1, cutoff=0.8):
                raise ValueError(f"{name} is no section; did you mean {near[0]}?")
        return values

    def __post_init__(self) -> None:
        """Check what no section can tell alone. Raises ValueError."""
        self._check_corpus()
        self._check_names()
        self._check_lists()
        self._check_layers()
        self._check_pairs()

    def _check_corpus(self) -> None:
        for name in ("raw", "clean"):
            if self.corpus and getattr(self, name) is None:
                raise ValueError(f"{name} is missing, which corpus: [books] needs")

    def _check_names(self) -> None:
        for group in ("models", "imported"):
            for name in getattr(self, group):
                if ABLATION.fullmatch(name):
                    where = f"{group}.{name}"
                    raise ValueError(f"{where}: reserved for ablation results; choose another name")
        if VOCABULARY in self.imported:
            raise ValueError(
                f"imported.{VOCABULARY}: reserved for the books' vocabulary; choose another name"
            )
        for name in self.imported:
            if name in self.models:
                raise ValueError(f"imported.{name}: models has that name, too; rename one")
        for name in {*self.cards} - {*self.models, *self.imported}:
            raise ValueError(f"cards.{name}: neither models nor imported has that name")

    def _check_lists(self) -> None:
        """Every name in a list has a section; a task that is fine-tuned has a recipe, too."""
        trained = {*self.models}
        models, tasks = trained | {*self.imported}, {*self.tasks, *self.derived_tasks}
        for place, part in vars(self).items():
            lists = {
                "models": trained if place == "scaling" else models,
                "contiguous": trained,
                "shuffled": trained,
                "tasks": tasks,
            }
            for list_, known in lists.items():
                for name in getattr(part, list_, []):
                    where = f"{place}.{list_} names {name}"
                    if name not in known:
                        there = ", ".join(sorted(known)) or "none"
                        raise ValueError(f"{where}, which has no section; there are {there}")
                    if list_ == "tasks" and place in FINETUNED and name not in self.finetune:
                        raise ValueError(f"{where}, which has no recipe: add finetune.{name}")
                    if list_ == "tasks" and place in FINETUNED and name not in self.compare.tasks:
                        raise ValueError(f"{where}, which is not compared: add it to compare.tasks")

        compare = self.compare
        if len({bool(each) for each in (compare.tasks, compare.models, compare.seeds)}) > 1:
            raise ValueError("compare: tasks, models and seeds are all empty, or none of them")
        for seed in compare.kept_weights:
            if seed not in compare.seeds:
                raise ValueError(f"compare.kept_weights has {seed}, which is none of compare.seeds")

    def _check_layers(self) -> None:
        if "gpt" in self.models:  # of an imported one the layers are not known yet
            layers = self.models["gpt"].layers
            for each in self.transfer.layers:
                if each > layers:
                    raise ValueError(f"transfer.layers has {each}, and models.gpt has {layers}")

    def _check_pairs(self) -> None:
        """Models that are compared differ only in what the comparison is about."""
        shuffling = self.shuffling
        for names, share in ((shuffling.contiguous, shuffling.books), (shuffling.shuffled, 1)):
            for name in names:
                if self.models[name].books != share:
                    raise ValueError(
                        f"models.{name}.books must be {share}, so that both models of a pair in "
                        "shuffling read the same sentences"
                    )
        equal = {*_keys(Model)} - {"shards", "books", "checkpoints", "validate_every"}
        for pair in zip(shuffling.contiguous, shuffling.shuffled, strict=True):
            self._check_equal(pair, equal, "shuffling")
        self._check_equal(self.scaling.models, {"kind", "shards", "context"}, "scaling")
        for name in self.scaling.models:
            if not self.models[name].epochs:
                raise ValueError(f"scaling.models names {name}, which reads no books")

    def _check_equal(self, names: Sequence[str], keys: set[str], by: str) -> None:
        for name in names:
            for each in sorted(keys):
                one, other = (getattr(self.models[model], each) for model in (name, names[0]))
                if one != other:
                    raise ValueError(
                        f"models.{name}.{each} must be that of models.{names[0]}, with which {by} "
                        "compares it"
                    )


def check(values: dict[str, Any]) -> Params | None:
    """Check all of `params.yaml`, before anything runs for hours. Raises UserError as `parse`.

    None: a project with none of our sections is somebody else's, and not checked.
    """
    return None if values.keys().isdisjoint(_keys(Params)) else parse(Params, values)


def parse(cls: type[T], values: Any, name: str = "") -> T:
    """Check `values` against the dataclass `cls`: one section, or `Params` for the whole file.

    `name` is what messages call the section, such as `models.gpt`. Raises UserError: one line that
    names the key, its value and what is allowed, or the key that was probably meant.
    """
    try:
        return TypeAdapter(cls).validate_python(values)
    except ValidationError as error:
        # A misspelt key is a missing one, too; the misspelt one says more.
        unknown = "unexpected_keyword_argument"
        first = min(error.errors(), key=lambda each: each["type"] != unknown)
        where = [name] if name else []
        # Not pydantic's own marks: [key] for the key of a mapping, and the tags of `Task`.
        where += [str(part) for part in first["loc"] if not str(part).startswith("[")]
        if first["type"] == unknown:
            *place, wrong = first["loc"]
            said = f"params.yaml: {'.'.join(where[:-1])}.{{}} is no key of this section"
            refuse_unknown([wrong], _keys(cls, place), said)
        raise UserError(f"params.yaml: {_message(first, '.'.join(where))}") from None


def _keys(cls: Any, place: Sequence[Any] = ()) -> list[str]:
    """Keys of the section at `place` in `cls`: those of `Model` at (models, gpt) in `Params`."""
    for part in place:  # a key of a dataclass, a name in a mapping, or the tag of an own task
        cls = get_type_hints(cls)[part] if dataclasses.is_dataclass(cls) else get_args(cls)[-1]
    return [field.name for field in dataclasses.fields(cls)]


def _message(error: ErrorDetails, where: str) -> str:
    value, rule = error["input"], error["msg"][0].lower() + error["msg"][1:]
    if error["type"] == "value_error":  # raised here, in a validator
        rule = str(error["ctx"]["error"])
        if isinstance(value, dict):  # about several keys of a section, or of the file
            return f"{where}: {rule}" if where else rule
    if "[key]" in error["loc"]:
        return (
            f"{where}: a name has only letters, digits and _, because files are named after it; "
            "put numbers in quotes"
        )
    if error["type"] == "missing":
        return f"{where} is missing"
    if error["type"] == "dataclass_type":
        return f"{where} must be a section with keys, not {value!r}"
    if error["type"] == "string_type" and isinstance(value, int | float | date):
        rule = "this is no text; put it in quotes"
    if error["type"] == "dict_type" and "." not in where:
        return f"{where} must hold a section for each name; {{}}: none"
    return f"{where} = {value!r}: {rule}"


def paper(cls: type) -> dict[str, Any]:
    """The paper's value of each key of a section that has one."""
    values = {
        field.name: field.default.json_schema_extra["paper"]  # type: ignore[union-attr]
        for field in dataclasses.fields(cls)
    }
    return {name: value for name, value in values.items() if value is not None}


def differences(params: Any) -> dict[str, tuple[Any, Any]]:
    """Where a section departs from the paper: key -> (the paper's value, ours)."""
    theirs = paper(type(params))
    if getattr(params, "kind", "") == "lstm":
        theirs = {key: value for key, value in theirs.items() if key != "heads"} | LSTM
    pairs = {key: (value, getattr(params, key)) for key, value in theirs.items()}
    return {key: (value, ours) for key, (value, ours) in pairs.items() if ours != value}


def schema() -> dict[str, Any]:
    """The JSON schema of `params.yaml`. Descriptions and examples state the paper's values."""
    found = TypeAdapter(Params).json_schema()
    for part in [found, *found["$defs"].values()]:
        for each in [part, *part["properties"].values()]:
            for noise in ("title", "default"):  # a key's name again; null, where raw may be missing
                each.pop(noise, None)
            if "description" in each:  # editors take a line break for a new paragraph
                each["description"] = " ".join(each["description"].split())
            if (value := each.pop("paper", None)) is not None:
                each["description"] += f"\nIn the paper: {value}."
                each["examples"] = [value]
    return found


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
