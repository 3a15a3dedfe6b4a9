"""Back-tests by hour and by quarter."""
