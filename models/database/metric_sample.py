"""Samples of figures (`models.figures`), as they were counted last."""

from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from certline.models.database.base import Base


class MetricSample(Base):
    """A sample of some figures, for the scrapes of all producers. `seconds`: how long counting them took."""

    __tablename__ = "metric_sample"

    name: Mapped[str] = mapped_column(primary_key=True)
    figures: Mapped[dict[str, Any]]
    seconds: Mapped[float]
    taken_at: Mapped[datetime] = mapped_column(server_default=func.now())
