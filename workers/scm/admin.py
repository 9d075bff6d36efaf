"""Calls about our own account at SCM and its administrators."""

from certline.workers.scm.answers import AdminRecord, AdminRow, Password
from certline.workers.scm.api import parser
from certline.workers.scm.api.pagination import Pages
from certline.workers.scm.transport.caller import ScmCall


class Admin(Pages):
    """Methods that read our own account and the administrator records at SCM."""

    def password(self) -> Password:
        """Return the state and expiry of our password; the state is UNKNOWN for a word we don't know."""
        return self._one(ScmCall("password", "GET", "/admin/v1/password"), parser.password)

    def admins(self) -> list[AdminRow]:
        """Return the administrators visible to this account, over all pages; it may not see itself."""
        return self._pages(
            ScmCall("admins", "GET", "/admin/v1"), parser.admin_row, lambda row: row.id
        )

    def admin(self, admin_id: int) -> AdminRecord:
        """Return an administrator's record. Raises NotFound if SCM has no such id or hides it from us."""
        return self._one(ScmCall("admin", "GET", f"/admin/v1/{admin_id:d}"), parser.admin_record)
