"""The paper's baseline: an LSTM with one layer of 2,048 units, used like the transformer.

Section 5 of the paper names it and gives no details. Here the token embedding is as wide as the
LSTM and is the output layer too, as in the transformer; dropout follows the embedding and each
layer; the recurrent weights have PyTorch's initialisation.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from gpt1.errors import UserError
from gpt1.model.directory import assign_weights, read_model, write_model
from gpt1.model.language_model import INITIAL_DEVIATION, LanguageModel

Hidden = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class LSTMConfig:
    """The paper's size is one layer of width 2,048. `context` is the length of training windows."""

    vocab: int
    layers: int
    width: int
    context: int
    dropout: float


class LSTM(LanguageModel):
    """A language model: token embeddings, LSTM layers, and the token embedding again."""

    MODEL_TYPE = "gpt1-lstm"

    def __init__(self, config: LSTMConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(
            nn.LSTM(config.width, config.width, batch_first=True) for _ in range(config.layers)
        )
        nn.init.normal_(self.tokens.weight, std=INITIAL_DEVIATION)

    def states(self, tokens: Tensor, *, cache: "Cache | None" = None) -> Tensor:
        """The last layer's output for each token: int64 (B, T) to (B, T, C)."""
        cache = cache or self.new_cache(len(tokens))
        x = self.dropout(self.tokens(tokens))  # (B, T, C)
        # Autocast would take fp16 on CUDA, whatever type it is asked for, and fp16 loses most
        # gradients of the gates. The layer takes a third of the operations at the paper's size.
        with torch.autocast(x.device.type, enabled=False):
            for index, layer in enumerate(self.layers):
                x, cache.hidden[index] = layer(x, cache.hidden.get(index))
                x = self.dropout(x)
        cache.length += tokens.shape[1]
        return x

    def new_cache(self, batch: int) -> "Cache":
        """An empty cache."""
        return Cache()

    def save(self, directory: Path) -> None:
        """Write `config.json` and `model.safetensors`."""
        config = {"model_type": self.MODEL_TYPE, **asdict(self.config)}
        write_model(directory, config, self.state_dict())

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote, in evaluation mode. Raises UserError for another network."""
        config, tensors = read_model(directory)
        if config.pop("model_type", None) != cls.MODEL_TYPE:
            raise UserError(f"{directory}: no LSTM, see model_type in its config.json")
        model = cls(LSTMConfig(**config))
        assign_weights(model, tensors, directory)
        return model


@dataclass
class Cache:
    """The last hidden and cell state of each layer, after `length` tokens."""

    length: int = 0
    hidden: dict[int, Hidden] = field(default_factory=dict)
