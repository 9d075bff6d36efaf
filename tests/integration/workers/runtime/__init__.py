"""The step runner: attempts, rate limits, outages of SCM."""
