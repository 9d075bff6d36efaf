"""Data that a simulator starts with."""
