"""How a magic's line is read: before IPython sees it, into words, and into options."""
