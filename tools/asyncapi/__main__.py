"""Write docs/asyncapi.yaml and docs/asyncapi.md: `python -m tools.asyncapi`."""

from tools.asyncapi.document import main

main()
