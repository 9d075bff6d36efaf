"""SCM's JSON: fields, dates and answers."""
