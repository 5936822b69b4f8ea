"""The only readers of a tracking store."""
