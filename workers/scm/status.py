"""SCM's words for a state, read whatever their case, blanks and underscores."""

from enum import StrEnum


class ScmStatus(StrEnum):
    """A certificate's status at SCM; the words of its documentation."""

    INIT = "Init"
    REQUESTED = "Requested"  # waits for a person's approval, unless approved automatically
    APPROVED = "Approved"
    SA_APPROVED = "SAApproved"  # first of two approvals
    APPLIED = "Applied"  # the order is at the CA
    ISSUED = "Issued"  # may be collectable a moment later only
    REPLACED = "Replaced"
    REVOKED = "Revoked"
    EXPIRED = "Expired"
    DECLINED = "Declined"  # by a person
    REJECTED = "Rejected"  # by the CA
    INVALID = "Invalid"  # by SCM, before the CA
    UNMANAGED = "Unmanaged"  # deprecated
    UNKNOWN = "Unknown"  # a word we don't know: never a success

    @classmethod
    def read(cls, text: str) -> "ScmStatus":
        """The status of a word, whatever its case, blanks and underscores; else UNKNOWN."""
        return _BY_WORD.get(_bare(text), cls.UNKNOWN)

    @property
    def is_pending(self) -> bool:
        """Still on its way. An unknown word is neither this nor anything else: tell a person."""
        return self in _PENDING

    @property
    def is_issued(self) -> bool:
        """The CA has issued it."""
        return self is ScmStatus.ISSUED

    @property
    def is_refused(self) -> bool:
        """It will not come unless a person edits and resubmits it."""
        return self in _REFUSED

    @property
    def is_gone(self) -> bool:
        """It was issued once and is no longer in force."""
        return self in _GONE


class PasswordState(StrEnum):
    """How it stands with the account's password."""

    ALIVE = "ALIVE"
    EXPIRED = "EXPIRED"  # change it at SCM; every other call will be refused
    NEVER_EXPIRE = "NEVER_EXPIRE"
    UNKNOWN = "UNKNOWN"  # a word we don't know, or none

    @classmethod
    def read(cls, text: str) -> "PasswordState":
        """The state of a word, else UNKNOWN."""
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
