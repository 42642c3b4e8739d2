"""The network that GPT-2 made of GPT-1, built from the parts of `transformer.py`.

What changed, from section 2.3 of "Language Models are Unsupervised Multitask Learners" (Radford et
al., 2019) and from the source released with it (`src/model.py`):

- Attention and feed-forward layer read a normalised input, and their sums are not normalised: a
  path without norms leads from the embeddings to the end, where one norm stands (paper).
- The weights that write to that path start scaled by 1 / sqrt(N), where N counts the residual
  layers (paper). N is 2 x layers here, an attention and a feed-forward layer each, as in
  `transformers`; the paper does not say what counts, and the released source has no such scale.
- Positions start from N(0, 0.01), not 0.02 (source).

GPT-2 is trained with a context of 1,024, batches of 512 and a byte-level vocabulary of 50,257
(paper): these are values of params, or come with imported weights. All else is GPT-1's. Neither
paper nor source tells dropout; `transformers` has GPT-1's 0.1.
"""

import math

import torch
from torch import Tensor, nn

from gpt1.model.language_model import INITIAL_DEVIATION
from gpt1.model.openai_gpt import Layout
from gpt1.model.transformer import GPT, AppendKV, Block, GPTConfig, KVCache

POSITIONS_DEVIATION = 0.01


class GPT2(GPT):
    """GPT with normalised inputs instead of normalised sums, and a norm at the end."""

    LAYOUT = Layout(
        network="GPT-2",
        model_type="gpt2",
        architecture="GPT2LMHeadModel",
        embeddings={"positions": "wpe", "tokens": "wte"},
        norms={"norm": "ln_f"},
        fixed={
            "activation_function": "gelu_new",
            "layer_norm_epsilon": 1e-5,
            "n_inner": None,
            "scale_attn_weights": True,
            "scale_attn_by_inverse_layer_idx": False,
            "add_cross_attention": False,
            "tie_word_embeddings": True,
        },
        token_ids=("bos_token_id", "eos_token_id", "pad_token_id"),
    )

    def __init__(self, config: GPTConfig) -> None:
        super().__init__(config)
        self.norm = nn.LayerNorm(config.width, eps=1e-5)
        with torch.no_grad():  # GPT's draws of the same seed, scaled
            self.positions.weight.mul_(POSITIONS_DEVIATION / INITIAL_DEVIATION)
            for block in self.modules():
                if isinstance(block, Block):
                    for last in (block.attention.output, block.feed_forward.contract):
                        last.weight.mul_(1 / math.sqrt(2 * config.layers))

    def new_block(self) -> "PreNormBlock":
        return PreNormBlock(self.config)

    def states(
        self,
        tokens: Tensor,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        cache: KVCache | None = None,
    ) -> Tensor:
        """The normalised output of the last block, int64 (B, T) to (B, T, C), as `GPT.states`."""
        return self.norm(super().states(tokens, positions, mask, cache=cache))


class PreNormBlock(Block):
    """Attention, then a feed-forward layer, each of the normalised input and added to the input."""

    def forward(  # (B, T, C) to (B, T, C)
        self, x: Tensor, mask: Tensor | None = None, append: AppendKV | None = None
    ) -> Tensor:
        x = x + self.attention(self.attention_norm(x), mask, append)
        return x + self.feed_forward(self.feed_forward_norm(x))
