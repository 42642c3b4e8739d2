"""Documents to token ids.

- `pre_tokenizer.py`: raw text to words, by `fix_text.py` (ftfy) and `special_cases.py` (spaCy).
- `bpe.py`: words to ids: the vocabulary and `BPETokenizer`.
- `transformers_files.py`: the files by which `transformers` finds the tokenizer.
- `byte_level.py`: GPT-2's tokenizer; `tokenizer.py` loads either.
- `documents.py`: files of documents to shards, in parallel (stages `bpe` and `shards`).
- `shards.py`: the format of token shards, their writer, and the reader of training windows.
- `detokenize.py`: ids to readable text; `offsets.py`: where tokens stand in the raw text.
"""
