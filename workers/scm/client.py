"""SCM's REST API: one method for each thing we do there."""

from certline.workers.scm.admin import Admin
from certline.workers.scm.api.certificates import Certificates
from certline.workers.scm.api.orders import Ordering
from certline.workers.scm.catalogue import Catalogue
from certline.workers.scm.domains import Domains
from certline.workers.scm.organizations import Organizations
from certline.workers.scm.reports import Reports


class ScmClient(Organizations, Domains, Catalogue, Certificates, Ordering, Reports, Admin):
    """One account at SCM, seen by one login; see `Caller` for its settings."""
