"""Alembic's entry: runs the migrations on the connection that `models.database.migrate` hands over."""

from alembic import context

from certline.models import load_tables
from certline.models.database.base import Base

load_tables()

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
