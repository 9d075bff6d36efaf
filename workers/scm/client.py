"""Client for SCM's REST API, with one method for each operation that certline uses."""

from certline.workers.scm.admin import Admin
from certline.workers.scm.api.certificates import Certificates
from certline.workers.scm.api.orders import Ordering
from certline.workers.scm.catalogue import Catalogue
from certline.workers.scm.domains import Domains
from certline.workers.scm.organizations import Organizations
from certline.workers.scm.reports import Reports


class ScmClient(Organizations, Domains, Catalogue, Certificates, Ordering, Reports, Admin):
    """Client of one account at SCM, with one login; its settings are described at `Caller`."""
