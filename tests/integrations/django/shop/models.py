from django.db import models


class Order(models.Model):
    number: "models.IntegerField[int, int]" = models.IntegerField(primary_key=True)

    class Meta:
        app_label: str = "shop"

    def __str__(self) -> str:
        return str(self.number)
