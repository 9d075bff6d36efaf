"""Write docs/asyncapi.yaml and docs/asyncapi.md from the models."""
