"""An update of all weights: the class, its options, its rate, its state."""
