"""How fast the queue is, beside what could be done at best, in one run: what a ratio says, no machine changes."""
