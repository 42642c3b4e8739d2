"""`samples@MODEL`: text from each checkpoint of a language model."""

from pathlib import Path

import torch

from gpt1.files import write_json
from gpt1.model.loading import load_model
from gpt1.model.sampling import generate
from gpt1.params import Samples
from gpt1.tokens.tokenizer import load_tokenizer
from stages import entry, tracking
from stages.checkpoints import read_checkpoints


def main(*, model: Path, checkpoints: Path, pretraining: Path, out: Path) -> None:
    """Continue the prompt with every checkpoint of `model` and with the model itself.

    Always on one thread of the CPU, also where GPT1_DEVICE names another device: a device that
    rounds otherwise draws other words, and the text is an output.
    """
    params = entry.section(Samples, "samples")
    torch.set_num_threads(1)  # results are bit-identical only for the same number of threads
    tokenizer = load_tokenizer(model)
    prompt = torch.tensor([tokenizer.encode(params.prompt)])
    rows = []
    with tracking.run() as run:
        run.params(params)
        for update, directory in read_checkpoints(checkpoints, model, pretraining):
            tokens = generate(
                load_model(directory),
                prompt,
                params.tokens,
                temperature=params.temperature,
                top_k=params.top_k,
                seed=params.seed,
            )
            text = tokenizer.decode([int(token) for token in torch.cat(list(tokens))])
            rows.append({"update": update, "text": text})
    write_json(out, {"prompt": params.prompt, "samples": rows})


if __name__ == "__main__":
    entry.run(main)
