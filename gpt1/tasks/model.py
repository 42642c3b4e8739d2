"""The network with a linear head on the extract token's state (section 3.2 of the paper)."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from gpt1.device import tokens_at_once
from gpt1.errors import UserError, refuse_unknown
from gpt1.model.language_model import LanguageModel
from gpt1.model.loading import load_model
from gpt1.tasks.inputs import Batch, Inputs, SpecialTokens, arrange, collate
from gpt1.tasks.table import Example, Task, as_table, without_surrogates
from gpt1.tasks.tokenized import encode_texts, tokenize
from gpt1.tokens.tokenizer import Tokenizer, load_tokenizer

PREDICT_BATCH = 64
TASK, HEAD = "task.json", "head.safetensors"
logger = logging.getLogger(__name__)


def save_task(task: Task, directory: Path) -> None:
    """Write the task without a network, of which `TaskModel.load` says that it was not kept."""
    (directory / TASK).write_text(task.to_json() + "\n", "utf-8")


class TaskModel(nn.Module):
    """A network whose last three embedding rows are the special tokens, and a linear head."""

    def __init__(
        self, network: LanguageModel, task: Task, tokenizer: Tokenizer, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.network: LanguageModel = network
        self.task, self.tokenizer = task, tokenizer
        self.dropout: nn.Dropout = nn.Dropout(dropout)
        self.head: nn.Linear = nn.Linear(network.config.width, task.outputs)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    @classmethod
    def from_pretrained(
        cls, network: LanguageModel, task: Task, tokenizer: Tokenizer, dropout: float
    ) -> "TaskModel":
        """Add new rows for the special tokens and a new head to a pretrained network, in place."""
        network.add_special_tokens(3)
        return cls(network, task, tokenizer, dropout)

    @classmethod
    def load(cls, directory: Path) -> "TaskModel":
        """Read what `save` wrote; raises UserError for a model directory without a head."""
        directory = Path(directory)
        if not (directory / TASK).is_file():
            raise UserError(
                f"{directory}: not a fine-tuned model: {TASK} is missing; give a folder below "
                "finetuned/"
            )
        if not (directory / HEAD).is_file():
            raise UserError(
                f"{directory}: the weights of this seed were not kept; add it to "
                "compare.kept_weights in params.yaml, and `dvc repro` makes them"
            )
        network, tokenizer = load_model(directory), load_tokenizer(directory)
        try:
            task = Task.from_json((directory / TASK).read_text("utf-8"))
            model = cls(network, task, tokenizer)
            model.head.load_state_dict(load_file(directory / HEAD))
        except (ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"{directory}: {TASK} or {HEAD} is damaged ({reason}); make it again"
            ) from None
        return model.eval()

    def save(self, directory: Path) -> None:
        """Write a `transformers` model directory, with the head and the task in files beside."""
        self.network.save(directory)
        self.tokenizer.save(directory)
        head = {name: tensor.contiguous() for name, tensor in self.head.state_dict().items()}
        save_file(head, directory / HEAD)
        save_task(self.task, directory)

    @property
    def device(self) -> torch.device:
        return self.head.weight.device

    def encode(self, examples: Sequence[Example]) -> Inputs:
        """Tokenize examples, truncated to the network's context."""
        encode = partial(encode_texts, tokenizer=self.tokenizer)
        return self.arrange(
            examples, tokenize(as_table(examples), encode, self.tokenizer.continuing)
        )

    def arrange(self, examples: Sequence[Example], tokens: pa.Table) -> Inputs:
        """Arrange the ids of the examples' texts, a row for each, as `encode` does."""
        specials = SpecialTokens.after(len(self.tokenizer))
        return arrange(self.task, examples, tokens, specials, self.network.config.context)

    def forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores and states of a batch of N sequences of B examples.

        Scores are (B, outputs); in multiple choice (B, most choices), -inf where an example has
        fewer. States are (N, T, C).
        """
        batch = batch.to(self.device)
        states = self.network.states(batch.tokens)
        extract = states[torch.arange(len(states), device=self.device), batch.lengths - 1]  # (N, C)
        B, C = len(batch.targets), extract.shape[1]
        if self.task.shape != "multiple_choice":  # sums the two orders of a pair
            summed = extract.new_zeros(B, C).index_add(0, batch.example, extract)
            return self.head(self.dropout(summed)), states
        mask = self.dropout(extract.new_ones(B, C))  # one mask for all choices
        logits = self.head(extract * mask[batch.example]).squeeze(1)
        scores = logits.new_full((B, batch.choices), -torch.inf)
        return scores.index_put((batch.example, batch.choice), logits), states

    def loss(self, batch: Batch, auxiliary: float) -> torch.Tensor:
        """The task's loss plus `auxiliary` times the language model's; see `losses`."""
        task, language_model = self.losses(batch, auxiliary)
        return task + auxiliary * language_model

    def losses(self, batch: Batch, auxiliary: float) -> tuple[torch.Tensor, torch.Tensor]:
        """The task's loss and the language model's, as this micro-batch's share of the update's.

        Summed over the micro-batches of an update, both are means over its examples. The language
        model's loss is the mean over the tokens of a sequence without padding, then over an
        example's sequences; the start token is never a target. It is 0 where `auxiliary` is 0.
        """
        batch = batch.to(self.device)
        scores, states = self(batch)
        share = len(batch.targets) / batch.update_examples
        task = self._task_loss(scores.float(), batch.targets) * share
        if not auxiliary:
            return task, torch.zeros_like(task)
        return task, self._language_model_loss(batch, states) * share

    def _task_loss(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if self.task.shape == "regression":
            return F.mse_loss(scores.squeeze(1), targets.float())
        return F.cross_entropy(scores, targets.long())

    def _language_model_loss(self, batch: Batch, states: torch.Tensor) -> torch.Tensor:
        targets = batch.tokens.flatten()[batch.predicting + 1]
        states = states.flatten(0, 1)[batch.predicting]  # (M, C)
        return self.network.loss(states, targets, batch.weights)

    @torch.inference_mode()
    def scores(self, inputs: Inputs) -> list[np.ndarray]:
        """Of each example, in order: float32 probabilities (labels or choices,), or a score (1,).

        Batches hold examples of similar length, the longest first, to save padding.
        """
        self.eval()
        found: dict[int, np.ndarray] = {}
        order = np.argsort(-inputs.lengths, kind="stable")
        while len(found) < len(order):
            fitting = tokens_at_once(self.device) // int(inputs.lengths[order[len(found)]])
            indices = order[len(found) :][: max(PREDICT_BATCH, fitting)]
            scores, _ = self(collate(inputs, indices))
            if self.task.shape != "regression":
                scores = scores.float().softmax(dim=1)
            # .cpu() waits for the device
            for index, row in zip(indices, scores.float().cpu().numpy(), strict=True):
                choices = self.task.shape == "multiple_choice"
                found[index] = row[: len(inputs.sequences[index]) if choices else None]
        return [found[index] for index in range(len(order))]

    def predict(self, rows: Sequence[str | Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Answer rows, in order: texts, or mappings with text, text_pair and choices.

        An answer is {"label": ..., "probabilities": {label: ...}}, or {"score": ...} in a
        regression; in multiple choice the labels are the choices. Raises UserError that names the
        row.
        """
        return self.answers([self.parse_row(row, f"row {n}") for n, row in enumerate(rows, 1)])

    def answers(self, examples: Sequence[Example]) -> list[dict[str, Any]]:
        """The same for examples."""
        inputs = self.encode(examples)
        if inputs.truncation_summary:
            logger.warning(inputs.truncation_summary)
        scores = self.scores(inputs)
        return [self._answer(*each) for each in zip(examples, scores, strict=True)]

    def parse_row(self, row: str | Mapping[str, Any], where: str) -> Example:
        """Check one row of `predict`; raises UserError that begins with `where`."""
        row = {"text": row} if isinstance(row, str) else row
        # All columns of a task's table are allowed, so that its own rows can be asked about.
        refuse_unknown(row, Example.__slots__, f"{where}: unknown key {{}}")
        required = {"text"}
        if self.task.shape in ("entailment", "similarity"):
            required.add("text_pair")
        if self.task.shape == "multiple_choice":
            required.add("choices")
        for key in sorted(required):
            given = row.get(key)
            texts = given if key == "choices" and isinstance(given, list | tuple) else [given]
            if not all(isinstance(text, str) and text.strip() for text in texts):
                raise UserError(
                    f"{where}: {self.task.name} needs {', '.join(sorted(required))}, and {key} "
                    "is missing, empty or not a text"
                )
        if not isinstance(row.get("text_pair") or "", str):
            raise UserError(f"{where}: text_pair is not a text")
        choices = tuple(row["choices"]) if "choices" in required else None
        if choices is not None and len(choices) < 2:
            raise UserError(f"{where}: {self.task.name} needs two choices or more")
        asked = Example("predict", where, row["text"], row.get("text_pair"), choices)
        return without_surrogates(asked)

    def _answer(self, example: Example, scores: np.ndarray) -> dict[str, Any]:
        if self.task.shape == "regression":
            return {"score": float(scores[0])}
        labels = example.choices or self.task.labels
        probabilities = dict(zip(labels, map(float, scores), strict=True))
        return {"label": labels[int(scores.argmax())], "probabilities": probabilities}
