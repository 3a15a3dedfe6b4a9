"""Words and catalogues of both languages."""
