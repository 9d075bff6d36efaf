"""The one package to import: its sub-packages are the repository's top-level folders, as symbolic links."""
