"""The first form of the table."""

from typing import Any, ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Makes the table."""

    initial: ClassVar[Any] = True
    dependencies: ClassVar[Any] = []
    operations: ClassVar[Any] = [
        migrations.CreateModel(
            name="OutboxEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("queue", models.CharField(max_length=255)),
                ("job_id", models.CharField(max_length=36)),
                ("request", models.BinaryField()),
                ("fields", models.TextField()),
            ],
            options={
                "db_table": "jobsvalkey_outbox",
                "indexes": [models.Index(fields=["queue", "id"], name="jobsvalkey_outbox_queue")],
            },
        ),
    ]
