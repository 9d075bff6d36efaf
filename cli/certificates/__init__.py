"""Commands on certificates: list, show, export, renew, reissue and revoke."""
