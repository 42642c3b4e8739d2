"""`report`: the results beside the paper's, as tables and figures."""

from pathlib import Path

from gpt1 import params
from gpt1.analysis.report.compose import report
from gpt1.errors import UserError
from gpt1.files import publish
from stages import entry, tracking


def main(*, metrics: Path, curves: Path, out: Path) -> None:
    """Write `report.md`, its figures and `index.html` for what the params list."""
    experiment = params.Experiment(
        bpe=entry.section(params.BPE, "bpe"),
        models=entry.sections(params.Model, "models"),
        finetune=entry.sections(params.Finetune, "finetune"),
        compare=entry.section(params.Compare, "compare"),
        no_auxiliary=entry.section(params.NoAuxiliary, "no_auxiliary"),
        transfer=entry.section(params.Transfer, "transfer"),
        zero_shot=entry.section(params.ZeroShot, "zero_shot"),
        samples=entry.section(params.Samples, "samples"),
        shuffling=entry.section(params.Shuffling, "shuffling"),
        scaling=entry.section(params.Scaling, "scaling"),
        contamination=entry.section(params.Contamination, "contamination"),
    )
    with tracking.run() as run:
        run.params(experiment.compare)
        with publish(out) as folder:
            try:
                document = report(metrics, curves, experiment)
            except UserError as error:  # DVC removes the last report before it runs this stage
                raise UserError(f"{error} (`dvc checkout {out}` has the last report)") from None
            document.save(folder / "report.md", folder / "index.html")
        run.artifact(out)


if __name__ == "__main__":
    entry.run(main)
