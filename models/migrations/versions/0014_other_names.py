"""Certificates keep the names that are no DNS names; those of stored certificates are read from their PEM."""

import sqlalchemy as sa
from alembic import op
from cryptography import x509
from sqlalchemy.dialects import postgresql

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None

# Certificates read at a time.
PIECE = 1000
certificate = sa.table('certificate', sa.column('id', sa.Text), sa.column('leaf', sa.Text), sa.column('other_names', postgresql.ARRAY(sa.Text)))


def upgrade() -> None:
    """Apply, and read the names of stored certificates."""
    op.add_column('certificate', sa.Column('other_names', postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False))
    connection, last = op.get_bind(), ''
    while rows := connection.execute(sa.select(certificate.c.id, certificate.c.leaf).where(certificate.c.id > last).order_by(certificate.c.id).limit(PIECE)).all():
        last = rows[-1].id
        for row in rows:
            if names := _other_names(row.leaf):
                connection.execute(sa.update(certificate).where(certificate.c.id == row.id).values(other_names=names))


def downgrade() -> None:
    """Take back; the names are in the certificates themselves."""
    op.drop_column('certificate', 'other_names')


def _other_names(pem: str) -> list[str]:
    # Only the kinds that earlier versions could store a certificate with; as written by workers/keys/certificate.py.
    try:
        names = x509.load_pem_x509_certificate(pem.encode()).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return []
    return [
        *(f'IP:{name}' for name in names.get_values_for_type(x509.IPAddress)),
        *(f'email:{name}' for name in names.get_values_for_type(x509.RFC822Name)),
        *(f'URI:{name}' for name in names.get_values_for_type(x509.UniformResourceIdentifier)),
        *(f'dirName:{name.rfc4514_string()}' for name in names.get_values_for_type(x509.DirectoryName)),
        *(f'RID:{name.dotted_string}' for name in names.get_values_for_type(x509.RegisteredID)),
        *(f'otherName:{name.type_id.dotted_string};{name.value.hex()}' for name in names if isinstance(name, x509.OtherName)),
    ]
