"""What other people's evaluation tools call: a tokenizer for `transformers`, a model for `lm_eval`.

- `tokenizer.py`: `AutoTokenizer.from_pretrained(DIRECTORY, trust_remote_code=True)` runs it.
- `model.py`: `lm_eval --model gpt1`; `python -m gpt1.harness` is `lm_eval` with this model.

Both libraries are optional: `pip install gpt1[eval]`. No other module imports this package.
"""
