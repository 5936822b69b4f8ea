"""Sentences, figures and pages."""
