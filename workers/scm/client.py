"""SCM's REST API: one method for each thing we do there."""

from workers.scm.admin import Admin
from workers.scm.catalogue import Catalogue
from workers.scm.certificates import Certificates
from workers.scm.domains import Domains
from workers.scm.ordering import Ordering
from workers.scm.organizations import Organizations
from workers.scm.reports import Reports


class ScmClient(Organizations, Domains, Catalogue, Certificates, Ordering, Reports, Admin):
    """One account at SCM, seen by one login; see `Caller` for its settings."""
