"""One run, from its configuration to its results; run.py is the file to read first."""
