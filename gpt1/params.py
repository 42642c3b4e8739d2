"""One frozen dataclass for each section of `params.yaml`.

No key has a default: `params.yaml` says everything, so that DVC sees everything. The paper's value
stands beside each key, and `differences` tells where an experiment departs from it.
"""

import dataclasses
import difflib
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from gpt1.errors import UserError, refuse_unknown

T = TypeVar("T")
Count = Annotated[int, Field(ge=0, strict=True)]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
LSTM = {"kind": "lstm", "layers": 1, "width": 2048}
"""The paper's other network (section 5): a single layer of 2,048 units, all else as in `Model`."""
section = dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))


def key(paper: Any = None, **limits: Any) -> Any:
    """A required key: the paper's value (None where the paper has none) and its allowed range."""
    return Field(json_schema_extra={"paper": paper}, **limits)


@section
class Raw:
    path: str = key(min_length=1)
    """A folder or file with books, or a source file (`.yaml`) that names a package or address."""


@section
class Clean:
    seed: int = key(ge=0)
    """Chooses the books that are held out."""
    valid_fraction: float = key(gt=0, lt=1)
    """The share of the books (of the passages, with one or two books) that is held out."""
    min_words: int = key(ge=0)
    """Shorter books are dropped; Zhu et al. 2015, who made BookCorpus, took 20,000."""
    language: str = key()
    """The ISO 639 code of the language that is kept; empty: every language."""
    similar_books: float = key(gt=0, le=1)
    """The Jaccard similarity of runs of 13 words from which the shorter of two books is dropped;
    Rae et al. 2021, appendix A, took 0.8."""
    similar_passages: float = key(gt=0, le=1)
    """The same for passages that two books share; 1: only identical ones are cut."""


@section
class Contamination:
    """Runs of 13 words that the training books have in common with evaluation tasks; Brown et al.
    2020, appendix C, took as many."""

    tasks: list[str] = key()
    """Tasks, official or derived, whose overlap is reported."""
    drop: list[Literal["books", "paragraphs"]] = key()
    """What to leave out where it overlaps: each gives shards `shards_without_shared_WHAT`."""

    def __post_init__(self) -> None:
        if self.drop and not self.tasks:
            raise ValueError("drop needs tasks: what overlaps with them is left out")


@section
class BPE:
    merges: int = key(paper=40_000, ge=1, le=65_000)


@section
class Model:
    """A model is a name; this is what the name stands for (sections 3.1 and 4.1 of the paper)."""

    kind: Literal["transformer", "lstm"] = key(paper="transformer")
    shards: str = key(paper="shards")
    """The folder below `data/` with the tokens it is trained on."""
    books: float = key(paper=1.0, gt=0, le=1)
    """The share of the training books that is used."""
    seed: int = key(ge=0)
    layers: int = key(paper=12, ge=1)
    width: int = key(paper=768, ge=1)
    heads: int = key(paper=12, ge=1)
    context: int = key(paper=512, ge=2)
    dropout: float = key(paper=0.1, ge=0, lt=1)
    epochs: int = key(paper=100, ge=0)
    """Passes over the books; 0: no pretraining."""
    batch: int = key(paper=64, ge=1)
    """Windows of `context` tokens in one update."""
    micro_batch: int = key(ge=1)
    """Windows that are in memory at once; divides `batch`."""
    learning_rate: float = key(paper=2.5e-4, gt=0)
    warmup: int = key(paper=2000, ge=0)
    """Updates of linear warm-up."""
    weight_decay: float = key(paper=0.01, ge=0)
    clip: float = key(paper=1.0, gt=0)
    """The largest gradient norm."""
    precision: Literal["bf16", "fp32"] = key()
    threads: int = key(ge=1)
    """CPU threads: other counts give other bits."""
    compile: bool = key()
    """torch.compile: other bits again, and faster."""
    checkpoints: list[Count] = key()
    """Updates after which the model is kept, for the zero-shot curve."""

    def __post_init__(self) -> None:
        if self.kind == "transformer" and self.width % self.heads:
            raise ValueError(f"heads: {self.heads} do not divide width: {self.width}")
        if self.batch % self.micro_batch:
            raise ValueError(f"micro_batch: {self.micro_batch} does not divide batch: {self.batch}")


@section
class Imported:
    """A model that others trained, under a name of its own beside those of `models`."""

    path: str = key(min_length=1)
    """A directory of `transformers`, or the folder with the weights released with the paper."""


@section
class DerivedTask:
    """A task made from the held-out books, which pretraining never sees."""

    seed: int = key(ge=0)
    train: int = key(ge=1)
    """Examples; so are `dev` and `test`."""
    dev: int = key(ge=1)
    test: int = key(ge=1)
    words: int = key(ge=1)
    """The least number of words in a passage, which is made of whole sentences."""


@section
class OfficialTask:
    """One of the paper's tasks, by its name in `gpt1.tasks.registry`."""

    path: str = key(min_length=1)
    """Its folder or archive, or a source file (`.yaml`) that names addresses."""


@section
class OwnTask:
    """A task of one's own, which these lines declare in full."""

    path: str = key(min_length=1)
    """A folder or archive, or a source file (`.yaml`)."""
    shape: Literal[
        "classification", "entailment", "similarity", "regression", "multiple_choice"
    ] = key()
    labels: list[str] = key()
    """As the files write them; in multiple choice the names of the places; else none."""
    metrics: list[str] = key()
    """The first is the main one."""
    files: dict[str, str] = key()
    """Split -> a file in the folder; `train`, and one or more of `dev` and `test`."""
    columns: dict[str, str | list[str]] = key()
    """text, text_pair, choices, target, id, group -> a column of the files."""

    def __post_init__(self) -> None:
        if "-1" in self.labels:
            raise ValueError("labels must not name -1, which stands for no label")


@section
class Finetune:
    """Section 4.1 of the paper, "Fine-tuning details"."""

    learning_rate: float = key(paper=6.25e-5, gt=0)
    epochs: int = key(paper=3, ge=0)
    batch: int = key(paper=32, ge=1)
    micro_batch: int = key(ge=1)
    warmup: float = key(paper=0.002, ge=0, le=1)
    """The share of the updates that warms up."""
    auxiliary: float = key(paper=0.5, ge=0)
    """The weight of the language-model loss."""
    dropout: float = key(paper=0.1, ge=0, lt=1)
    """Of the classifier's input; the network keeps its own."""
    weight_decay: float = key(paper=0.01, ge=0)
    clip: float = key(paper=1.0, gt=0)
    precision: Literal["bf16", "fp32"] = key()
    threads: int = key(ge=1)


@section
class Compare:
    """What is compared: every task with every model, once for each seed."""

    tasks: list[str] = key()
    models: list[str] = key()
    seeds: list[Seed] = key()


@section
class NoAuxiliary:
    """The model `gpt`, fine-tuned without the language-model loss (Table 5)."""

    tasks: list[str] = key()
    seeds: list[Seed] = key()


@section
class Transfer:
    """The first layers of the model `gpt`, the others afresh, fine-tuned (Figure 2, left)."""

    layers: list[Count] = key()
    """How many are kept; 0: the embeddings alone."""
    tasks: list[str] = key()
    seeds: list[Seed] = key()


@section
class ZeroShot:
    """Every checkpoint of these models on these tasks, with no fine-tuning (Figure 2, right)."""

    tasks: list[str] = key()
    models: list[str] = key()
    threads: int = key(ge=1)


@section
class Samples:
    """What every checkpoint of these models writes after a prompt."""

    models: list[str] = key()
    prompt: str = key(min_length=1)
    tokens: int = key(ge=1)
    temperature: float = key(ge=0)
    """0: always the likeliest token."""
    top_k: int = key(ge=0)
    """Draw from that many of the likeliest; 0: from all."""
    seed: int = key(ge=0)


@section
class Shuffling:
    """Models in pairs that differ only in their shards: contiguous, and shuffled by sentence."""

    seeds: list[Seed] = key()
    """Each gives shards `shards_shuffled_SEED`."""
    books: float = key(paper=1.0, gt=0, le=1)
    """The share of the training books that is shuffled: what `contiguous` models read in order."""
    contiguous: list[str] = key()
    shuffled: list[str] = key()
    """In the order of their counterparts: several pairs, of other seeds, give an interval."""

    def __post_init__(self) -> None:
        if len(self.contiguous) != len(self.shuffled):
            raise ValueError("contiguous and shuffled must list as many models as each other")


@section
class Scaling:
    """Held-out loss over the books and the size: models that differ in those alone."""

    models: list[str] = key()


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Every section that the report speaks of."""

    bpe: BPE
    models: dict[str, Model]
    finetune: dict[str, Finetune]
    compare: Compare
    no_auxiliary: NoAuxiliary
    transfer: Transfer
    zero_shot: ZeroShot
    samples: Samples
    shuffling: Shuffling
    scaling: Scaling
    contamination: Contamination


SECTIONS: dict[str, type] = {
    "raw": Raw,
    "clean": Clean,
    "contamination": Contamination,
    "bpe": BPE,
    "compare": Compare,
    "no_auxiliary": NoAuxiliary,
    "transfer": Transfer,
    "zero_shot": ZeroShot,
    "samples": Samples,
    "shuffling": Shuffling,
    "scaling": Scaling,
}
NAMED_SECTIONS: dict[str, type] = {
    "models": Model,
    "imported": Imported,
    "derived_tasks": DerivedTask,
    "finetune": Finetune,
}
"""Sections that hold one section a name."""
NAME = re.compile(r"[A-Za-z0-9_]+")
"""Of a model or a task."""
RESERVED = re.compile(r"no_auxiliary|transfer_\d+")
"""Names that cells have whose model is `gpt`, changed."""
FINETUNED = ("compare", "no_auxiliary", "transfer")
"""Sections whose tasks are fine-tuned."""


def check(values: dict[str, Any]) -> None:
    """Every section of `params.yaml` that is there, before anything runs for hours.

    Raises UserError as `parse` does, for a name in a list that has no section, and for a shuffled
    model that would read other books than its counterpart.
    """
    known = [*SECTIONS, *NAMED_SECTIONS, "corpus", "tasks"]
    for name in {*map(str, values)} - {*known}:  # one's own stages may have their own
        if near := difflib.get_close_matches(name, known, n=1, cutoff=0.8):
            raise UserError(f"params.yaml: {name} is no section; did you mean {near[0]}?")
    for name, cls in SECTIONS.items():
        if name in values:
            parse(cls, values[name], name)
    _check_names(values)
    for group, cls in NAMED_SECTIONS.items():
        for name, section_values in (values.get(group) or {}).items():
            parse(cls, section_values, f"{group}.{name}")
    _check_lists(values)
    _check_layers(values)
    _check_pairs(values)


def _check_names(values: dict[str, Any]) -> None:
    corpus = values.get("corpus", [])
    if not isinstance(corpus, list) or len(corpus) > 1:
        raise UserError(f"params.yaml: corpus = {corpus!r}: must be [books], or [] for none")
    for group in [*NAMED_SECTIONS, "tasks"]:
        sections = values.get(group, {})
        if not isinstance(sections, dict):
            raise UserError(f"params.yaml: {group} must hold a section for each name; {{}}: none")
        for name in sections:
            if not NAME.fullmatch(str(name)):
                raise UserError(
                    f"params.yaml: {group}.{name}: a name has letters, digits and _ alone, for "
                    "files are called after it"
                )
    for name in {*values.get("models", {})} & {*values.get("imported", {})}:
        raise UserError(f"params.yaml: imported.{name}: models has that name, too; rename one")
    for name in {*values.get("models", {})} | {*values.get("imported", {})}:
        if RESERVED.fullmatch(str(name)):
            raise UserError(f"params.yaml: models.{name}: results of an analysis are called so")


def _check_lists(values: dict[str, Any]) -> None:
    """Every name in a list has its section, a task that is fine-tuned also its recipe."""
    models = {**(values.get("models") or {}), **(values.get("imported") or {})}
    tasks = {**(values.get("tasks") or {}), **(values.get("derived_tasks") or {})}
    recipes = values.get("finetune") or {}
    lists = {
        "models": ("compare", "zero_shot", "samples", "scaling"),
        "tasks": ("compare", "no_auxiliary", "transfer", "zero_shot", "contamination"),
        "contiguous": ("shuffling",),
        "shuffled": ("shuffling",),
    }
    for key_, sections in (lists | {"seeds": FINETUNED, "layers": ("transfer",)}).items():
        for section_ in sections:
            names = (values.get(section_) or {}).get(key_, [])
            for name in names:
                if names.count(name) > 1:
                    raise UserError(f"params.yaml: {section_}.{key_} names {name} twice")
    for key_, sections in lists.items():
        for section_ in sections:
            for name in (values.get(section_) or {}).get(key_, []):
                where = f"params.yaml: {section_}.{key_} names {name}"
                known = tasks if key_ == "tasks" else models
                if section_ == "scaling":  # over what was trained here
                    known = values.get("models") or {}
                if name not in known:
                    there = ", ".join(known) or "none"
                    raise UserError(f"{where}, which has no section; there are {there}")
                if key_ == "tasks" and section_ in FINETUNED and name not in recipes:
                    raise UserError(f"{where}, which has no recipe: add finetune.{name}")


def _check_layers(values: dict[str, Any]) -> None:
    models = values.get("models") or {}
    if "gpt" not in models:  # imported, or not there
        return
    has = models["gpt"]["layers"]
    for layers in (values.get("transfer") or {}).get("layers", []):
        if not 0 <= layers <= has:
            raise UserError(f"params.yaml: transfer.layers has {layers}, and models.gpt has {has}")


def _check_pairs(values: dict[str, Any]) -> None:
    models, shuffling = values.get("models") or {}, values.get("shuffling") or {}
    for key_, share in {"contiguous": shuffling.get("books"), "shuffled": 1}.items():
        for name in shuffling.get(key_, []):
            if models.get(name, {}).get("books") != share:
                raise UserError(
                    f"params.yaml: models.{name}.books must be {share}, so that both models of a "
                    "pair in shuffling read the same sentences"
                )
    keys = {*_keys(Model)}
    for pair in zip(shuffling.get("contiguous", []), shuffling.get("shuffled", []), strict=True):
        _check_same(models, pair, keys - {"shards", "books", "checkpoints"}, "shuffling")
    scaled = (values.get("scaling") or {}).get("models", [])
    _check_same(models, scaled, {"kind", "shards", "context"}, "scaling")
    for name in scaled:
        if not models[name]["epochs"]:
            raise UserError(f"params.yaml: scaling.models names {name}, which reads no books")


def _check_same(
    models: dict[str, Any], names: Sequence[str], keys: set[str], section_: str
) -> None:
    for name in names:
        for key_ in sorted(keys):
            if models[name][key_] != models[names[0]][key_]:
                raise UserError(
                    f"params.yaml: models.{name}.{key_} must be that of models.{names[0]}, with "
                    f"which {section_} compares it"
                )


def _keys(cls: type) -> list[str]:
    return [field.name for field in dataclasses.fields(cls)]


def parse(cls: type[T], values: Any, name: str) -> T:
    """Check one section, called `name` in messages such as `models.gpt`.

    Raises UserError with one line that names the key, what is allowed, and a near match.
    """
    if not isinstance(values, dict):
        raise UserError(f"params.yaml: {name} must be a section with keys, not {values!r}")
    known = _keys(cls)
    refuse_unknown(values, known, f"params.yaml: {name}.{{}} is no key of this section")
    try:
        return TypeAdapter(cls).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([name, *map(str, first["loc"])])
        if first["type"] == "missing":
            raise UserError(f"params.yaml: {where} is missing") from None
        message = first["msg"][0].lower() + first["msg"][1:]
        message = message.removeprefix("value error, ")
        if not first["loc"]:  # a rule for several keys together
            raise UserError(f"params.yaml: {name}: {message}") from None
        raise UserError(f"params.yaml: {where} = {first['input']!r}: {message}") from None


def paper(cls: type) -> dict[str, Any]:
    """The paper's value of each key that has one."""
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
    found = {key: (value, getattr(params, key)) for key, value in theirs.items()}
    return {key: (value, ours) for key, (value, ours) in found.items() if ours != value}
