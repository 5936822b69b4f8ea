"""The report's figures: which there are, what each shows, how it is drawn."""
