"""Whether a card computes what the CPU computes, and faster: asked before it is trusted."""
