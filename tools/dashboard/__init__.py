"""The generator of Grafana's dashboard, deploy/grafana/certline.json."""
