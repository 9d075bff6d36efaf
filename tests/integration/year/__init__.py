"""A year of an estate on a moved clock, with real steps, a real simulator and real name servers."""
