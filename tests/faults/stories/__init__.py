"""How each effect is reached, and killed: a story asks for something, and kills at its points.

A story leaves the line so that it can come to rest by itself: what hinders it is taken away again.
"""
