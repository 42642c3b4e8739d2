"""What a language model knows of a task before it is fine-tuned (section 5, "Zero-shot Behaviors").

| heuristic | tasks | the answer is |
|---|---|---|
| acceptability | CoLA | yes, where the mean token log-probability is above a threshold |
| sentiment | SST-2 | the likelier of `positive` and `negative` after the sentence and `very` |
| referent | DPRD, Winograd schemas | the candidate that makes what follows the pronoun likelier |
| pair | BLiMP, other minimal pairs | the sentence with the larger sum of log-probabilities |
| choice | every other multiple choice | the choice with the largest mean token log-probability |

    heuristics.py   an example -> prompts (a context and its continuations) and their comparison
    task.py         `ZeroShotTask`: a task's prompts, tokenized once; scores of each checkpoint
    scoring.py      log-probabilities of many continuations at once

To add a heuristic: write a function from an `Example` to its prompts in `heuristics.py`, and give
it an entry in `HEURISTICS` under the task's name, and the best published score in `task.CEILINGS`.
"""
