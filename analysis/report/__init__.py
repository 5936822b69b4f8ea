"""A study in sentences, tables, figures and pages."""
