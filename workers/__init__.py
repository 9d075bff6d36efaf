"""Steps that carry out commands, one module and one actor for each, and the worker process around them."""
