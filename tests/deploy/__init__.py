"""Tests of the files in deploy/ with which certline is run in Kubernetes and by systemd."""
