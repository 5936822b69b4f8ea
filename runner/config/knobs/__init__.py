"""The knobs of sections that have many: of a network's parts, shipped or own, and of a sweep."""
