"""Whether the user's own code can be trained, and what it takes, before anything is trained."""
