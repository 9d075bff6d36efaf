"""The history of an order and of a certificate: what happened, its line, its chain and where hooks put it."""
