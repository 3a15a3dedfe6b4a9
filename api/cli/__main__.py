"""`python -m api.cli`: the same as the `tideplan` script."""

from api.cli import main

main()
