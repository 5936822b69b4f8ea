"""The book's loop without its graph: a step is recorded as a list of kernel calls and replayed."""
