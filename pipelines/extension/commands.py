"""The commands that are about GPT-1 and not about running a DVC graph."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from gpt1.errors import UserError
from pipelines import extension
from pipelines.execution import workspace

app = typer.Typer()


def _named(folder: str) -> Path:
    if not folder:  # a shell's unset variable, and Path would take it for this folder
        raise typer.BadParameter("it is empty; name a folder, or . for this one")
    return Path(folder)


@app.command()
def init(
    folder: Annotated[
        Path, typer.Argument(parser=_named, help="Where to; it may be there already.")
    ],
    *,
    update: Annotated[
        bool,
        typer.Option("--update", help="Of a project: dvc.yaml and schemas of the installed gpt1."),
    ] = False,
) -> None:
    """Lay out a project: the graph, the demo's params, corpora and profiles, with git and DVC."""
    from pipelines.extension import layout

    if update:
        if replaced := layout.update(folder):
            print(f"{folder}: replaced {', '.join(replaced)}; `git diff` shows what changed")
        else:
            print(f"{folder}: all is of the installed gpt1 already")
        return
    others = layout.lay_out(folder)
    beside = f" beside {', '.join(others[:5])}{', ...' * (len(others) > 5)}" if others else ""
    print(f"{folder}: a project{beside}, not committed yet; `gpt1 run` there runs the demo")


@app.command()
def doctor() -> None:
    """Say what this machine has, and what to do where something is wrong; exits with 1 then."""
    from pipelines.extension import doctor

    wrong = False
    for finding in doctor.examine():
        print(finding, flush=True)
        wrong |= finding.state == "wrong"
    if wrong:
        sys.exit(1)


@app.command()
def results() -> None:
    """Show the comparison of all tasks and models."""
    from pipelines.extension import results

    with workspace.enter():
        if not extension.present():
            raise UserError("this is no project of GPT-1; `dvc metrics show` has its metrics")
        results.show()


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A folder below finetuned/.")],
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts; none: the lines of --file.")
    ] = None,
    file: Annotated[
        typer.FileText | None, typer.Option(help="Text, or JSON lines; else: standard input.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON lines.")] = False,
) -> None:
    """Print label and probabilities by a fine-tuned model, in the order of the texts."""
    from gpt1 import TaskModel
    from gpt1.device import device, use_cores
    from gpt1.tasks import request

    if texts and file:
        raise UserError("there are texts and --file; give one of them")
    for text in texts or []:
        if not text.strip():
            raise UserError("an argument is an empty text; give texts")
    use_cores()
    for answer in request.answers(TaskModel.load(model).to(device()), texts or file or sys.stdin):
        print(json.dumps(answer, ensure_ascii=False) if as_json else request.format_answer(answer))


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="A transformers or a released folder.")],
    directory: Annotated[Path, typer.Argument(help="The model directory to make.")],
) -> None:
    """Make a model directory from weights and a vocabulary that others trained."""
    from gpt1.model.importing import import_model

    import_model(source, directory)


@app.command()
def generate(
    directory: Annotated[Path, typer.Argument(help="A model directory.")],
    text: Annotated[str, typer.Argument(help="The prompt.")],
    *,
    tokens: Annotated[int, typer.Option(min=1, help="How many to generate.")] = 128,
    temperature: Annotated[
        float, typer.Option(min=0, help="0: always the most probable token.")
    ] = 0.0,
    top_k: Annotated[
        int, typer.Option(min=0, help="Sample from this many of the likeliest tokens; 0: all.")
    ] = 0,
    top_p: Annotated[
        float, typer.Option(min=0, max=1, help="Draw from the likeliest with this share.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the draws.")] = 0,
    bf16: Annotated[
        bool, typer.Option("--bf16", help="Hold the weights in bfloat16: half the bytes to read.")
    ] = False,
) -> None:
    """Continue a text, printed word by word."""
    import torch

    from gpt1.device import device, use_cores
    from gpt1.model import sampling
    from gpt1.model.loading import load_model
    from gpt1.tokens.tokenizer import load_tokenizer

    use_cores()
    place = device()
    model, tokenizer = load_model(directory).to(place), load_tokenizer(directory)
    if bf16:
        model.bfloat16()
    prompt = torch.tensor([tokenizer.encode(text)], device=place)
    if not prompt.numel():
        raise UserError("there is no word to go on from; give a text")
    generated = sampling.generate(
        model, prompt, tokens, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed
    )
    print(text, end="", flush=True)
    for piece in tokenizer.continuation(int(token) for token in generated):
        print(piece, end="", flush=True)
    print()


@app.command()
def surprisal(
    directory: Annotated[Path, typer.Argument(help="A model directory.")],
    file: Annotated[
        Path, typer.Argument(help="One text a line; or a table (CSV, JSON lines, ...) with `text`.")
    ],
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")] = Path(
        "surprisal.parquet"
    ),
) -> None:
    """Write the surprisal of each word in bits, as Parquet, for comparison with reading times."""
    if out.exists():
        raise UserError(f"{out} is there already; name another file with --out, or remove it")
    from gpt1.analysis.surprisal import read_texts, word_surprisals, write_surprisals
    from gpt1.device import device, use_cores
    from gpt1.model.loading import load_model
    from gpt1.tokens.tokenizer import load_tokenizer

    texts = read_texts(file)
    use_cores()
    model, tokenizer = load_model(directory).to(device()), load_tokenizer(directory)
    words = write_surprisals(word_surprisals(model, tokenizer, texts), out)
    print(f"{out}: {words:,} words")


@app.command()
def glue(
    predictions: Annotated[
        list[Path], typer.Argument(help="predictions/*/MODEL-SEED.parquet of one model.")
    ],
    out: Annotated[Path, typer.Option(help="The archive to write.")] = Path("glue.zip"),
) -> None:
    """Write the archive that GLUE's server scores, from predictions on its test splits."""
    from gpt1.tasks.glue_submission import write_submission
    from gpt1.tasks.predictions import read_predictions

    write_submission(map(read_predictions, predictions), out)
    print(f"{out}: submit it at gluebenchmark.com")
