"""One package per paper: what only that paper needs."""
