"""Books to clean documents.

- `sources/`: read raw books from a folder, an archive, a package or an address (stage `raw`).
- `clean_corpus.py`: clean all books, drop duplicates, split (stage `clean`). It calls
  `clean_book.py` for each book in parallel, then `duplicates.py`, `split.py` and `card.py`.
- `clean_book.py`: one book: `markup.py`, `boilerplate/`, `paragraphs.py` with `line_ends.py`,
  `quality.py`, `shingles.py`.
- `shuffling.py`: the same documents shuffled by sentence (stage `shuffled`).
- `contamination.py`: what documents share with tasks (stages `contamination`, `without_shared`).
"""
