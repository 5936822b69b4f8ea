"""What is told beside a verdict: other ways to compute it, what pairing gained, more seeds."""
