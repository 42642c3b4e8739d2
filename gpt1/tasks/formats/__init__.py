"""Readers of the official files: one module for each layout that tasks are distributed in.

A reader is a function `(root, collector) -> None`. It finds files below the folder `root`
(`official_files`), reads their rows (`rows`), and passes them to `collector.add_rows` with the
`ColumnMapping` of the file; what is no table (RACE's articles, XML) it parses itself and passes to
`collector.add`, one `Example` at a time, and says in `collector.files[split]` which file that was.

To add a format:

1. Write the reader, in a module here:

       def imdb(root: Path, collector: ExampleCollector) -> None:
           for split in ("train", "test"):
               path = find_file(root, f"{split}.csv")
               if path is None:
                   raise UserError(f"{collector.show(root)}: no {split}.csv here")
               columns = ColumnMapping(text="review", target="sentiment")
               collector.add_rows(split, path, csv_rows(path, ","), columns, labelled=True)

2. Add the task to `gpt1.tasks.registry`: its description, the reader, the published sizes.
3. Add a small file of that layout to `tests/gpt1/tasks/formats/test_official.py`.

Tables with a header and one file for each split need no reader: declare them in params.yaml, or in
a source file as in `hub/` (`mapped`).
"""
