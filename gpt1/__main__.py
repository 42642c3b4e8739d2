"""The entry of the command `gpt1`, also as `python -m gpt1`; nothing else here imports upwards."""

from pipelines.cli import main

if __name__ == "__main__":
    main()
