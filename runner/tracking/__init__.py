"""Bringing a tracking store in step with the journals."""
