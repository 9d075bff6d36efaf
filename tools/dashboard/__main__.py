"""Write deploy/grafana/certline.json: `python -m tools.dashboard`."""

from tools.dashboard.document import main

main()
