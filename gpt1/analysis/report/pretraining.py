"""Pretraining: loss curves, validation losses, and operations; samples of the models."""

from collections.abc import Sequence

from gpt1.analysis.report import figures, paper
from gpt1.analysis.report.results import Results
from gpt1.document import Block, Figure, Section, Table
from gpt1.params import Samples


def section(results: Results, names: Sequence[str]) -> Section:
    """All models in the table; those trained for one update or more in the figure."""
    curves = {name: results.loss_curve(name) for name in names}
    trained = {name: curve for name, curve in curves.items() if len(curve)}
    blocks: list[Block] = []
    if trained:
        alternative = "Training loss over updates. " + "; ".join(
            f"{name}: from {curve['loss'].iloc[0]:.2f} to {curve['loss'].iloc[-1]:.2f} "
            f"nats a token over {curve['update'].iloc[-1]:.0f} updates"
            for name, curve in trained.items()
        )
        trigram = results.trigram_loss()
        caption = "Loss over updates; dots: on held-out documents, the same each time."
        picture = figures.loss_curves(trained, trigram)
        alternative += f". A trigram model: {trigram:.2f} on held-out documents."
        blocks.append(Figure("loss", picture, caption, alternative))
    rows, published = [], paper.PETAFLOP_DAYS * paper.PETAFLOP_DAY
    for name in names:
        summary = results.pretraining(name)
        operations = summary.operations
        rows.append(
            [
                name,
                f"{summary.parameters:,}",
                f"{summary.updates:,}",
                f"{summary.valid.loss:.3f}",
                f"{summary.valid.perplexity:.1f}",
                f"{summary.valid.perplexity_per_word:.1f}",
                f"{summary.valid.bits_per_byte:.3f}",
                f"{operations:.2e}",
                f"{operations / published:.1e}",
            ]
        )
    no_better = ", ".join(weak(results, names)) or "none"
    caption = (
        f"On the held-out books, where a trigram model has a loss of {results.trigram_loss():.3f}; "
        f"models no better than that: {no_better}. The paper: {paper.PARAMETERS:,} parameters, "
        f"token perplexity {paper.PERPLEXITY} on a split that it does not state, "
        f"{published:.1e} operations. Losses and perplexities per token compare within one "
        "vocabulary, those per word and bits per byte of text across them."
    )
    columns = ["model", "parameters", "updates", "loss", "perplexity", "per word", "bits per byte"]
    columns += ["operations", "share of the paper's"]
    return Section("Pretraining", [*blocks, Table(caption, columns, rows)])


def weak(results: Results, names: Sequence[str]) -> list[str]:
    """The models that were pretrained and do not beat a trigram model on the held-out books."""
    summaries = {name: results.pretraining(name) for name in names}
    return [
        name
        for name, summary in summaries.items()
        if summary.updates and summary.valid.loss >= results.trigram_loss()
    ]


def samples(results: Results, samples: Samples) -> Section | None:
    """Sampled text of every checkpoint; None without samples."""
    rows = [
        [model, f"{sample.update:,}", " ".join(sample.text.split())]
        for model in samples.models
        for sample in results.samples(model).samples
    ]
    caption = (
        f'After "{samples.prompt}", drawn at temperature {samples.temperature} from the '
        f"{samples.top_k or 'all the'} likeliest tokens, seed {samples.seed}."
    )
    table = Table(caption, ["model", "update", "text"], rows)
    return Section("Samples", [table]) if rows else None
