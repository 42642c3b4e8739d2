"""The model card: what a hub shows of a model, in Markdown below a header in YAML."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from gpt1.document import Document, Section, Table
from gpt1.files import read_json, sha256
from gpt1.params import Card, Model, ZeroShot

PAPER = '"Improving Language Understanding by Generative Pre-Training" (Radford et al., 2018)'
KINDS = {
    "openai-gpt": "GPT-1, the model",
    "gpt2": "The network that GPT-2 made of the model",
    "gpt1-lstm": "An LSTM, the comparison",
}
"""By `model_type` in the config."""
SIZES = {"n_layer": "layers", "n_embd": "width", "n_head": "heads", "n_positions": "context"}
HELD_OUT = {
    "loss": "Cross-entropy, nats a token",
    "perplexity": "Perplexity, per token",
    "perplexity_per_word": "Perplexity, per word and punctuation mark",
    "bits_per_byte": "Bits a byte",
}


def model_card(
    directory: Path, metrics: Path, card: Card, recipe: Model | None, zero_shot: ZeroShot
) -> str:
    """The card of the model in `directory`, from the metrics of the stages that its params ask for.

    recipe: None for an imported model. Raises UserError when a file is missing or damaged.
    """
    name = directory.name
    config = read_json(directory / "config.json")
    pretraining = read_json(metrics / f"pretrain/{name}.json")
    asked = zero_shot.tasks if name in zero_shot.models else ()
    answers = {task: read_json(metrics / f"zero_shot/{task}-{name}.json") for task in asked}
    kind, opens = config.get("model_type", ""), "architectures" in config  # in `transformers`
    data = ModelCardData(
        language="en",
        license=card.licence,
        library_name="transformers" if opens else "gpt1",
        pipeline_tag="text-generation",
        tags=["gpt1", *([kind] if opens else [])],
        model_name=name,
        eval_results=_results(pretraining, answers),
    )
    held_out = pretraining.get("valid", {})
    sections = [
        Section("Use", [_use(opens, (directory / "tokenizer_config.json").is_file())]),
        Section("Data", [_data(read_json(metrics / "clean.json"))]) if recipe else None,
        Section("Recipe", [_recipe(recipe)]) if recipe else None,
        Section("Results", [_scores(held_out, answers)]) if held_out or answers else None,
        Section("Files", [_files(directory)]),
    ]
    document = Document(name, _summary(config, pretraining, recipe), [s for s in sections if s])
    return f"---\n{data.to_yaml()}\n---\n\n{document.markdown()}"


def _results(pretraining: Mapping[str, Any], answers: Mapping[str, Any]) -> list[EvalResult]:
    """The results in the form of the hub's `model-index`."""
    found = [
        _result(
            task, f"{task}, {each['split']}, without fine-tuning", each["metric"], each["score"]
        )
        for task, each in answers.items()
    ]
    for name, value in pretraining.get("valid", {}).items():
        if name.startswith("perplexity"):
            found.append(_result("books", "held-out books", name, value))
    return found


def _result(data: str, name: str, metric: str, value: float) -> EvalResult:
    return EvalResult(
        task_type="text-generation",
        dataset_type=data,
        dataset_name=name,
        metric_type=metric,
        metric_value=round(value, 2),
    )


def _summary(
    config: Mapping[str, Any], pretraining: Mapping[str, Any], recipe: Model | None
) -> str:
    known = {**config, **{SIZES[key]: config[key] for key in SIZES if key in config}}
    sizes = ", ".join(f"{size} {known[size]}" for size in SIZES.values() if size in known)
    kind = KINDS.get(config.get("model_type", ""), "A network beside the model")
    return f"{kind} of {PAPER}, with {pretraining['parameters']:,} parameters ({sizes}), " + (
        f"pretrained for {pretraining['updates']:,} updates." if recipe else "imported."
    )


def _use(opens: bool, words: bool) -> str:
    """words: whether the vocabulary is GPT-1's kind, with the files for `transformers`."""
    ours = "With the package gpt1, in a folder with these files:\n\n"
    theirs = "    from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
    theirs += '    model = AutoModelForCausalLM.from_pretrained(".")\n'
    if words:
        ours += (
            "    from gpt1.model.loading import load_model\n"
            "    from gpt1 import BPETokenizer\n\n"
            '    model, tokenizer = load_model("."), BPETokenizer.load(".")\n'
        )
        theirs = (
            f"\nWith `transformers`; the tokenizer needs gpt1 too:\n\n{theirs}"
            '    tokenizer = AutoTokenizer.from_pretrained(".", trust_remote_code=True)\n\n'
            "Without `trust_remote_code` the tokenizer of `transformers` splits text otherwise: "
            "other ids for curly quotes, `don't` and line ends. A text begins after the token of a "
            "full stop."
        )
    else:
        ours += (
            '    import gpt1\n\n    model, tokenizer = gpt1.load("."), gpt1.load_tokenizer(".")\n'
        )
        theirs = f"\nWith `transformers`:\n\n{theirs}"
        theirs += '    tokenizer = AutoTokenizer.from_pretrained(".")\n'
    return ours + theirs if opens else ours


def _data(clean: Mapping[str, Any]) -> Table:
    rows = [
        [split, f"{counts['books']:,}", f"{counts['words']:,}", clean["sha256"][split]]
        for split, counts in clean["steps"].items()
        if split in clean["sha256"]
    ]
    columns = ["split", "books", "words", "SHA-256 of the documents"]
    return Table("The books after cleaning.", columns, rows)


def _recipe(recipe: Model) -> Table:
    values = {n: v for n, v in vars(recipe).items() if n not in {"checkpoints", "validate_every"}}
    rows = [[name, str(value)] for name, value in values.items()]
    return Table("Params of the pretraining.", ["key", "value"], rows)


def _scores(held_out: Mapping[str, Any], answers: Mapping[str, Any]) -> Table:
    rows = [
        [f"{what}, held-out books", f"{held_out[name]:.3f}", f"{held_out['tokens']:,} tokens", ""]
        for name, what in HELD_OUT.items()
        if name in held_out
    ]
    for name, each in answers.items():
        of = f"{each['n']:,} examples of {each['split']}"
        what = f"{name} without fine-tuning, {each['metric']} in per cent"
        rows.append([what, f"{each['score']:.1f}", of, f"{each['chance']:.1f}"])
    return Table("On text that pretraining never saw.", ["what", "value", "of", "chance"], rows)


def _files(directory: Path) -> Table:
    rows = [[file.name, sha256(file)] for file in sorted(directory.iterdir()) if file.is_file()]
    return Table("The model directory.", ["file", "SHA-256"], rows)
