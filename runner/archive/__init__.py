"""What a root holds: listed, taken over from another root, forgotten."""
