"""The JSON documents of what is stored: their keys are a contract, and none holds a secret."""
