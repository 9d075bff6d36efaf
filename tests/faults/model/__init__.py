"""A model of SCM and of certline's calls, with generated histories."""
