"""Traces: the spans of what certline does, recorded by OpenTelemetry where it is switched on."""
