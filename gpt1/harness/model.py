"""A model directory for EleutherAI's lm-evaluation-harness, scored by our own code."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lm_eval import utils
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.api.registry import register_model
from lm_eval.models.utils import normalize_gen_kwargs
from tqdm import tqdm

from gpt1.analysis.zero_shot.heuristics import FULL_STOP
from gpt1.analysis.zero_shot.scoring import Question, score
from gpt1.device import device as default_device
from gpt1.errors import UserError, refuse_unknown
from gpt1.model.loading import load_model
from gpt1.model.sampling import generate
from gpt1.tokens.bpe import BPETokenizer
from gpt1.tokens.byte_level import END_OF_TEXT
from gpt1.tokens.tokenizer import load_tokenizer

LINE_END = "\n"
LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
OPTIONS = ("until", "do_sample", "temperature", "top_k", "top_p", "seed", *LENGTHS)
ARGUMENTS = ("pretrained", "tokenizer", "device", "batch_size", "max_batch_size", "max_gen_toks")
AT_ONCE = 1024
"""Requests that are scored together, so that a progress bar moves."""


@register_model("gpt1")
class GPT1Model(TemplateLM):
    """`--model gpt1 --model_args pretrained=models/gpt`.

    pretrained: a model directory, pretrained, imported or fine-tuned (of which the language model
    is scored), or a checkpoint. tokenizer: a folder with the vocabulary, which a checkpoint lacks.
    batch_size: prompts that text is generated after at once; scoring makes batches of its own.
    An empty context is a full stop, as in the stage `zero_shot`; of GPT-2, its end of a text.
    """

    def __init__(
        self,
        pretrained: str = "",
        tokenizer: str | None = None,
        *,
        device: str | None = None,
        batch_size: int | str = 16,
        max_batch_size: int | None = None,
        max_gen_toks: int = 256,
        **unknown: Any,
    ) -> None:
        super().__init__()
        refuse_unknown(unknown, ARGUMENTS, "--model_args: {} is no argument of the model gpt1")
        if not pretrained:
            raise UserError("--model_args names no model; such as pretrained=models/gpt")
        # `cuda:0` is what the command passes when it is not asked, with a card or without.
        elsewhere = None if device in {"cuda", "cuda:0"} else device
        self._device = torch.device(elsewhere) if elsewhere else default_device()
        self.network = load_model(Path(pretrained)).to(self._device)
        self.tokenizer = load_tokenizer(tokenizer or pretrained)
        self.batch_size = batch_size if isinstance(batch_size, int) else max_batch_size or 16
        self.max_gen_toks = max_gen_toks

    @property
    def eot_token_id(self) -> int:
        return self.prefix_token_id

    @property
    def prefix_token_id(self) -> int:
        return self.tokenizer.encode(self._beginning)[-1]

    @property
    def _beginning(self) -> str:
        """What texts begin after: the token that GPT-2 was trained with, which GPT-1 has not."""
        return END_OF_TEXT if END_OF_TEXT in self.tokenizer.vocab else FULL_STOP

    @property
    def max_length(self) -> int:
        return self.network.config.context

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **_: Any
    ) -> list[int]:
        return self.tokenizer.encode(string)

    def _loglikelihood_tokens(
        self,
        requests: Sequence[tuple[tuple[str, str] | None, list[int], list[int]]],
        disable_tqdm: bool = False,
        **_: Any,
    ) -> list[tuple[float, bool]]:
        """The sum of each continuation's log-probabilities, and whether greedy decoding gives it.

        A request is the two texts and their ids; without texts it is a window of a longer text.
        """
        answers = []
        for start in tqdm(range(0, len(requests), AT_ONCE), "Scoring", disable=disable_tqdm):
            part = requests[start : start + AT_ONCE]
            for texts, _context, continuation in part:
                if not continuation:
                    raise UserError(f"a continuation has no tokens, so no likelihood: {texts!r}")
            questions = [
                Question(context or [self.prefix_token_id], [continuation])
                for _texts, context, continuation in part
            ]
            found = score(self.network, questions)
            for (texts, _context, _continuation), [scores] in zip(part, found, strict=True):
                answer = float(scores.log_probabilities.sum()), bool(scores.greedy.all())
                answers.append(answer)
                if texts:
                    self.cache_hook.add_partial("loglikelihood", texts, answer)
        return answers

    def loglikelihood_rolling(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[float]:
        """The log-likelihood of whole texts, each in windows that overlap as little as possible."""
        windows, owners = [], []
        for index, request in enumerate(requests):
            for window in utils.get_rolling_token_windows(
                token_list=self.tok_encode(request.args[0]),
                prefix_token=self.prefix_token_id,
                max_seq_len=self.max_length,
                context_len=1,
            ):
                context, continuation = utils.make_disjoint_window(window)
                windows.append((None, context, continuation))
                owners.append(index)
        totals = [0.0] * len(requests)
        answers = self._loglikelihood_tokens(windows, disable_tqdm)
        for index, (likelihood, _greedy) in zip(owners, answers, strict=True):
            totals[index] += likelihood
        for request, total in zip(requests, totals, strict=True):
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, total)
        return totals

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """What follows each prompt, up to the first of its stop strings, or a line end.

        A GPT-2 ends its texts itself, so that a line end stops nothing there.

        Prompts of equal length and options are continued together: there is no padding. GPT-1's
        vocabulary has no capitals, so its stop strings are looked for in lower case.
        """
        prompts = [self.tok_encode(each.args[0]) or [self.prefix_token_id] for each in requests]
        alike: dict[Any, list[int]] = {}
        for index, (prompt, request) in enumerate(zip(prompts, requests, strict=True)):
            alike.setdefault((len(prompt), repr(request.args[1])), []).append(index)
        texts = [""] * len(requests)
        with tqdm(total=len(requests), desc="Generating", disable=disable_tqdm) as bar:
            for indices in alike.values():
                for start in range(0, len(indices), self.batch_size):
                    batch = indices[start : start + self.batch_size]
                    options = requests[batch[0]].args[1]
                    found = self._continue([prompts[index] for index in batch], options)
                    for index, text in zip(batch, found, strict=True):
                        texts[index] = text
                        self.cache_hook.add_partial("generate_until", requests[index].args, text)
                    bar.update(len(batch))
        return texts

    def _continue(self, prompts: list[list[int]], options: dict[str, Any]) -> list[str]:
        """The text after each of some prompts of equal length."""
        refuse_unknown(options, OPTIONS, "generation_kwargs: {} is no option of gpt1's generation")
        chosen: dict[str, Any] = dict(normalize_gen_kwargs(options, self.max_gen_toks))
        names = {"top_k", "top_p", "seed"} & chosen.keys()
        sampling: dict[str, Any] = {name: chosen[name] for name in names}
        if chosen["do_sample"]:
            sampling["temperature"] = chosen.get("temperature") or 1.0
        end = END_OF_TEXT if self._beginning == END_OF_TEXT else LINE_END
        stops = [end, *(stop for stop in chosen["until"] if stop)]
        if isinstance(self.tokenizer, BPETokenizer):
            stops = [stop.lower() for stop in stops]
        tokens = torch.tensor(prompts, device=self._device)
        ids: list[list[int]] = [[] for _ in prompts]
        texts = [""] * len(prompts)
        for column in generate(self.network, tokens, chosen["max_gen_toks"], **sampling):
            for row, id in enumerate(column.tolist()):  # waits for the device
                if not any(stop in texts[row] for stop in stops):
                    ids[row].append(id)
                    texts[row] = self._text(ids[row])
            if all(any(stop in text for stop in stops) for text in texts):
                break
        return [text[: min((text + stop).index(stop) for stop in stops)] for text in texts]

    def _text(self, ids: list[int]) -> str:
        """What `ids` add to a prompt, without the space after it."""
        return "".join(self.tokenizer.continuation(ids)).removeprefix(" ")
