"""The report: results for all that the params list, beside the paper's."""

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from gpt1 import params
from gpt1.analysis.report import (
    ablations,
    answers,
    behaviours,
    comparison,
    corpus,
    gpt2,
    layers,
    paper,
    pretraining,
    scaling,
    shuffling,
)
from gpt1.analysis.report.results import Results
from gpt1.document import Document, Section, Table
from gpt1.params import Experiment

ASKED_BY = {
    "Comparison": "compare.tasks",
    "Ablations": "compare.models with gpt and scratch or lstm, or no_auxiliary",
    "Layers transferred": "transfer",
    "Zero-shot behaviours": "zero_shot",
    "Contiguous and shuffled": "shuffling",
    "Scaling": "scaling",
}
"""Title of a section -> the params that ask for it."""


def report(metrics: Path, curves: Path, experiment: Experiment) -> Document:
    """Build the document from exactly those files that `experiment` asks for.

    Raises UserError when one of them is missing or truncated.
    """
    results = Results(metrics, curves)
    analyses = [
        ablations.section(results, experiment.compare, experiment.no_auxiliary),
        layers.section(results, experiment.transfer),
        behaviours.section(results, experiment.zero_shot),
        shuffling.section(results, experiment.shuffling, experiment.zero_shot),
        scaling.section(results, experiment.scaling, experiment.models),
        gpt2.section(results, experiment.models, experiment.compare),
    ]
    analysed = [section for section, _ in analyses]
    compared = comparison.section(results, experiment.compare, experiment.models)
    answered = list(chain.from_iterable(of_section for _, of_section in analyses))
    names = reported_models(experiment)
    trained = pretraining.section(results, names) if names else None
    weak = pretraining.weak(results, names)
    sections = [
        Section("Answers", [answers.table(answered, weak)]) if answered else None,
        compared,
        *analysed,
        *([corpus.section(results, experiment.contamination), trained] if names else []),
        pretraining.samples(results, experiment.samples),
        departures(experiment, names),
        missing((section.title for section in [compared, *analysed] if section), experiment),
    ]
    return Document(
        title="Does generative pre-training help?",
        summary=scale(results, experiment),
        sections=[section for section in sections if section],
    )


def scale(results: Results, experiment: Experiment) -> str:
    """One paragraph on the scale of the experiment: tasks, models, seeds, parameters."""
    compare = experiment.compare
    sizes = [results.pretraining(name).parameters for name in reported_models(experiment)]
    models, seeds = len(compare.models), len(compare.seeds)
    counts = f"Tasks: {len(compare.tasks)}, models: {models}, seeds: {seeds}."
    if not sizes:
        return counts
    return (
        f"{counts} The largest model that was pretrained here has {max(sizes):,} parameters, the "
        f"paper's {paper.PARAMETERS:,}: what is said here is said at this scale."
    )


def reported_models(experiment: Experiment) -> list[str]:
    """All models of the report that were pretrained here, not imported, each once."""
    names = chain(
        experiment.compare.models,
        experiment.zero_shot.models,
        experiment.shuffling.contiguous,
        experiment.shuffling.shuffled,
        experiment.scaling.models,
    )
    return [name for name in dict.fromkeys(names) if name in experiment.models]


def departures(experiment: Experiment, models: Sequence[str]) -> Section:
    """Params that differ from the paper's."""
    sections: dict[str, object] = {"bpe": experiment.bpe} if models else {}
    sections |= {f"models.{name}": experiment.models[name] for name in models}
    if experiment.shuffling.shuffled:
        sections["shuffling"] = experiment.shuffling
    tasks = [*experiment.compare.tasks, *experiment.no_auxiliary.tasks, *experiment.transfer.tasks]
    sections |= {f"finetune.{task}": experiment.finetune[task] for task in dict.fromkeys(tasks)}
    rows = [
        [f"{name}.{key}", str(ours), str(theirs)]
        for name, section in sections.items()
        for key, (theirs, ours) in params.differences(section).items()
    ]
    caption = "Params that differ from the paper's; all others are as published."
    return Section("Departures from the paper", [Table(caption, ["key", "here", "paper"], rows)])


def missing(present: Iterable[str], experiment: Experiment) -> Section | None:
    """Results of the paper that this experiment did not ask for."""
    here = set(present)
    lines = [
        f"{title}: not asked for ({by})." for title, by in ASKED_BY.items() if title not in here
    ]
    for title, asked, published in (
        ("Comparison", experiment.compare.tasks, paper.SCORES),
        ("Zero-shot behaviours", experiment.zero_shot.tasks, paper.ZERO_SHOT),
    ):
        if asked and (absent := [task for task in published if task not in asked]):
            lines.append(f"{title}: without the paper's {', '.join(absent)}.")
    if "Ablations" in here:
        rows = [model for model in paper.ABLATIONS if model not in experiment.compare.models]
        if experiment.no_auxiliary.tasks and experiment.no_auxiliary.seeds:
            rows.remove("no_auxiliary")
        lines += [f"Ablations: without the paper's {', '.join(rows)}."] if rows else []
    return Section("Not in this report", lines) if lines else None
