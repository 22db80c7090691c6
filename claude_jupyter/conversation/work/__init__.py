"""Claude works in cells: it proposes one cell at a time, and running the cell is the approval."""
