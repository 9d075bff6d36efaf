"""Client for SCM's REST API, with one method for each operation that certline uses."""

from workers.scm.admin import Admin
from workers.scm.catalogue import Catalogue
from workers.scm.certificates import Certificates
from workers.scm.domains import Domains
from workers.scm.ordering import Ordering
from workers.scm.organizations import Organizations
from workers.scm.reports import Reports


class ScmClient(Organizations, Domains, Catalogue, Certificates, Ordering, Reports, Admin):
    """Client of one account at SCM, with one login; its settings are described at `Caller`."""
