"""Write docs/metrics.md: `python -m tools.metrics`."""

from tools.metrics.page import main

main()
