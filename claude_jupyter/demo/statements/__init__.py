"""True statements about dataframes, figures, errors, pictures and printed text, all computed from the request."""
