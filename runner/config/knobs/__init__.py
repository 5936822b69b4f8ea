"""The knobs of sections that have many: of the parts of a network, and of a sweep."""
