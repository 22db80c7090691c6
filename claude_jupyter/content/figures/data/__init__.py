"""The numbers behind an image: titles, axes and series of the figure object, as a short text."""
