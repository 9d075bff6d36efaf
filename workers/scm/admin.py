"""The account itself."""

from certline.workers.scm import reading
from certline.workers.scm.answers import AdminRecord, AdminRow, Password
from certline.workers.scm.calls import Call
from certline.workers.scm.pages import Pages


class Admin(Pages):
    """Our own account at SCM, and the administrators beside it."""

    def password(self) -> Password:
        """How it stands with the account's password; UNKNOWN where SCM says it in other words."""
        return self._one(Call("password", "GET", "/admin/v1/password"), reading.password)

    def admins(self) -> list[AdminRow]:
        """The administrators that this account sees, page after page; it may not see itself."""
        return self._pages(
            Call("admins", "GET", "/admin/v1"), reading.admin_row, lambda row: row.id
        )

    def admin(self, admin_id: int) -> AdminRecord:
        """An administrator's record. Raises NotFound."""
        return self._one(Call("admin", "GET", f"/admin/v1/{admin_id:d}"), reading.admin_record)
