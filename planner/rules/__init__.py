"""How each build-ahead rule is planned."""
