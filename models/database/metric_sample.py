"""The counts of `models.metrics` as they were taken last."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from certline.models.database.base import Base


class MetricSample(Base):
    """The counts as they were taken last, for the scrapes of all processes: a single row."""

    __tablename__ = "metric_sample"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    figures: Mapped[dict[str, Any]]
    taken_at: Mapped[datetime] = mapped_column(server_default=func.now())
