"""SCM's words for the status of a certificate and of a password."""

from enum import StrEnum


class ScmStatus(StrEnum):
    """A certificate's status at SCM, in the words of SCM's documentation."""

    INIT = "Init"
    REQUESTED = "Requested"  # waits for an administrator's approval, unless approved automatically
    APPROVED = "Approved"
    SA_APPROVED = "SAApproved"  # first of two approvals
    APPLIED = "Applied"  # the order is at the CA
    ISSUED = "Issued"  # may become collectable only a moment later
    REPLACED = "Replaced"
    REVOKED = "Revoked"
    EXPIRED = "Expired"
    DECLINED = "Declined"  # by an administrator
    REJECTED = "Rejected"  # by the CA
    INVALID = "Invalid"  # found by SCM, before the order reached the CA
    UNMANAGED = "Unmanaged"  # deprecated by SCM
    UNKNOWN = "Unknown"  # ours, for a word we don't know; never treated as success

    @classmethod
    def read(cls, text: str) -> "ScmStatus":
        """Return the status for SCM's word, ignoring case, blanks and underscores; UNKNOWN for any other."""
        return _BY_WORD.get(_bare(text), cls.UNKNOWN)

    @property
    def is_pending(self) -> bool:
        """True while the order is being processed. For UNKNOWN, which is in no such group, an operator decides."""
        return self in _PENDING

    @property
    def is_issued(self) -> bool:
        """True if the CA has issued the certificate."""
        return self is ScmStatus.ISSUED

    @property
    def is_refused(self) -> bool:
        """True if the order was refused; it won't be issued unless an administrator edits and resubmits it."""
        return self in _REFUSED

    @property
    def is_gone(self) -> bool:
        """True if the certificate was issued but is no longer in force."""
        return self in _GONE


class PasswordState(StrEnum):
    """State of the account's password."""

    ALIVE = "ALIVE"
    EXPIRED = "EXPIRED"  # SCM refuses every other call until the password is changed there
    NEVER_EXPIRE = "NEVER_EXPIRE"
    UNKNOWN = "UNKNOWN"  # ours, for a word we don't know or none

    @classmethod
    def read(cls, text: str) -> "PasswordState":
        """Return the state for SCM's word, or UNKNOWN."""
        return _BY_PASSWORD_WORD.get(_bare(text), cls.UNKNOWN)


def _bare(text: str) -> str:
    return "".join(text.split()).replace("_", "").lower()


_BY_WORD = {_bare(status.value): status for status in ScmStatus}
_BY_PASSWORD_WORD = {_bare(state.value): state for state in PasswordState}
_PENDING = {
    ScmStatus.INIT,
    ScmStatus.REQUESTED,
    ScmStatus.APPROVED,
    ScmStatus.SA_APPROVED,
    ScmStatus.APPLIED,
}
_REFUSED = {ScmStatus.DECLINED, ScmStatus.REJECTED, ScmStatus.INVALID}
_GONE = {ScmStatus.REVOKED, ScmStatus.EXPIRED, ScmStatus.REPLACED}
