"""`certline demo`: a certificate's life, played on this machine."""
