"""Stories: each reaches some of the effects by requesting something, and kills a process at their points.

A story ends with every obstacle removed, so that the remaining work can finish automatically.
"""
