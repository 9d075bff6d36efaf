"""Deploy hooks: a certificate's files, their folder, and the operator's program."""
