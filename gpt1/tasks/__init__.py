"""From a row of an official file to tokens, and from predictions to scores.

    registry.TASKS["mrpc"]        the task: shape, labels, metrics, its reader, its published sizes
    formats/glue.py: Mrpc         the reader: finds the files and names their columns
    formats/rows.py: tsv_rows     one row of a file -> a dict by column
    formats/collector.py          that dict -> an `Example`, or a count of dropped rows
    table.py: write_task          all examples -> data/tasks/mrpc.parquet (stages/task.py)
    tokenized.py: tokenize_task   its texts -> data/tokens/mrpc/MODEL.parquet (stages/tokens.py), by
    ../tokens/bpe.py              a text -> token ids
    inputs.py: arrange            ids -> one layout for each input shape, truncated to the context
                                  (stages/cell.py; `TaskModel.encode` does both from texts)
    predictions.py, metrics.py    the model's answers -> scores (stages/evaluate.py)

`load.py` drives the first four steps. `mapped.py` in `formats/` stands in for a reader where params
or a source file map the columns; `derived.py` makes tasks from books, with no files at all.

To add a task or a format: see `gpt1.tasks.formats`.
To add a metric: one entry in `metrics.METRICS`. It says which tasks it is valid for and what a
guess scores; error messages, `evaluate` and the zero-shot analysis read it from there.
"""
