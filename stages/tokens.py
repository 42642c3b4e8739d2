"""`tokens@TASK`: the token ids of a task's texts, once for each vocabulary of its models."""

import shutil
from pathlib import Path

from gpt1.files import publish
from gpt1.params import VOCABULARY, Compare, Imported, NoAuxiliary, Transfer
from gpt1.tasks.tokenized import tokenize_task
from gpt1.tokens.vocabulary import read_vocabulary
from stages import entry


def main(task: Path, vocabularies: Path, out: Path) -> None:
    """Write `MODEL.parquet` for each model that is fine-tuned on `task`.

    An imported model has its own vocabulary, all others that of the books. The files of models with
    the same vocabulary are equal, and DVC's cache keeps one.
    """
    models = dict.fromkeys(entry.section(Compare, "compare").models)
    ablated = entry.section(NoAuxiliary, "no_auxiliary"), entry.section(Transfer, "transfer")
    if any(task.stem in section.tasks for section in ablated):
        models["gpt"] = None
    imported = entry.sections(Imported, "imported")
    made: dict[str, Path] = {}  # by digest of the vocabulary
    with publish(out) as folder:
        folder.mkdir()
        for model in models:
            vocabulary = vocabularies / (model if model in imported else VOCABULARY)
            path = folder / f"{model}.parquet"
            digest = read_vocabulary(vocabulary).digest
            if digest in made:
                shutil.copyfile(made[digest], path)
            else:
                tokenize_task(task, vocabulary, path)
                made[digest] = path


if __name__ == "__main__":
    entry.run(main)
