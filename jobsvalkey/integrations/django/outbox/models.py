"""The table. It has the columns of the one for SQLAlchemy."""

from typing import ClassVar

from django.db import models


class OutboxEntry(models.Model):
    """A job that is to be pushed. Its row is removed when it has been."""

    queue: "models.CharField[str, str]" = models.CharField(max_length=255)
    job_id: "models.CharField[str, str]" = models.CharField(max_length=36)
    request: "models.BinaryField[bytes, bytes]" = models.BinaryField()
    fields: "models.TextField[str, str]" = models.TextField()

    class Meta:
        """Names the table, and sorts it for relays."""

        db_table: str = "jobsvalkey_outbox"
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["queue", "id"], name="jobsvalkey_outbox_queue")]

    def __str__(self) -> str:
        return f"job {self.job_id} of {self.queue}"
