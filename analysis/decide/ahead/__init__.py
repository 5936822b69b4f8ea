"""What seeds that are not trained yet would tell: of a planned sweep, and of an open claim."""
