"""The verbs of the `michisora` command, one file each."""
