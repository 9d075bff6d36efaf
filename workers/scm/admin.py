"""The account itself."""

from certline.workers.scm.answers import AdminRecord, AdminRow, Password
from certline.workers.scm.api import parser
from certline.workers.scm.api.pagination import Pages
from certline.workers.scm.transport.caller import Call


class Admin(Pages):
    """Our own account at SCM, and the administrators beside it."""

    def password(self) -> Password:
        """How it stands with the account's password; UNKNOWN where SCM says it in other words."""
        return self._one(Call("password", "GET", "/admin/v1/password"), parser.password)

    def admins(self) -> list[AdminRow]:
        """The administrators that this account sees, page after page; it may not see itself."""
        return self._pages(Call("admins", "GET", "/admin/v1"), parser.admin_row, lambda row: row.id)

    def admin(self, admin_id: int) -> AdminRecord:
        """An administrator's record. Raises NotFound."""
        return self._one(Call("admin", "GET", f"/admin/v1/{admin_id:d}"), parser.admin_record)
