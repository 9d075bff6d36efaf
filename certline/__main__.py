"""Run the command line with `python -m certline`."""

from certline.cli.main import main

main()
