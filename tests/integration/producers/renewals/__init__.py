"""Auto-renewal, batches, and expiry events."""
