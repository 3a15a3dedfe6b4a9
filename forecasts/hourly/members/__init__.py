"""The short-range members: small objects that fit a filled panel and predict hours ahead, one family a file."""
