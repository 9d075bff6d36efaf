"""Certificates, their licence lines and lineage, the licence itself, and deploy hooks."""
