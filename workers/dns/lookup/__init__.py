"""The look whether a proof is seen: at the authoritative servers of a zone, or at a URL."""
