"""The overview: what an operator looks at first, in few statements that stay cheap however much is stored."""
