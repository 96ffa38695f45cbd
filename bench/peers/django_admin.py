"""Django admin on the portal's tables, tuned as its documentation recommends.

Its own tables are in the schema `bench`. `python -m bench.peers.django_admin migrate` creates them.
"""

from __future__ import annotations

import os
import sys

import django
from django.conf import settings
from django.contrib import admin
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.db import models
from django.db.models.functions import Collate
from django.urls import path
from psycopg.conninfo import conninfo_to_dict

ROLES = [("USER", "User"), ("ADMIN", "Admin"), ("SUPER_ADMIN", "Super admin")]
PARTS = conninfo_to_dict(os.environ["DATABASE_URL"])

settings.configure(
    SECRET_KEY=os.environ["SECRET_KEY"],
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    STATIC_URL="static/",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": PARTS.pop("dbname"),
            "USER": PARTS.pop("user"),
            "HOST": PARTS.pop("host"),
            "PORT": PARTS.pop("port"),
            "OPTIONS": {**PARTS, "options": "-c search_path=bench,public", "pool": {"min_size": 2, "max_size": 8}},
        }
    },
)
django.setup()


class Organization(models.Model):
    id = models.UUIDField(primary_key=True, editable=False)
    name = models.TextField()
    slug = models.TextField()
    created_at = models.DateTimeField(editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        app_label = "admin"
        managed = False
        db_table = "organizations"

    def __str__(self) -> str:
        return self.name


class User(models.Model):
    id = models.UUIDField(primary_key=True, editable=False)
    email = models.EmailField()
    first_name = models.CharField(max_length=200, null=True, blank=True)
    last_name = models.CharField(max_length=200, null=True, blank=True)
    role = models.CharField(max_length=20, choices=ROLES)
    is_active = models.BooleanField()
    organization = models.ForeignKey(Organization, models.SET_NULL, null=True, blank=True)
    last_sign_in_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)
    sort_name = models.GeneratedField(expression=models.F("email"), output_field=models.TextField(), db_persist=True)
    search_text = models.GeneratedField(expression=models.F("email"), output_field=models.TextField(), db_persist=True)

    class Meta:
        app_label = "admin"
        managed = False
        db_table = "users"

    def __str__(self) -> str:
        return self.email


class NotDeleted(admin.ModelAdmin):
    show_full_result_count = False
    list_per_page = 25
    ordering = ("-created_at", "-id")

    def get_queryset(self, request):
        return super().get_queryset(request).filter(deleted_at=None)


@admin.register(Organization)
class OrganizationAdmin(NotDeleted):
    list_display = ("name", "slug", "created_at")
    search_fields = ("name",)


@admin.register(User)
class UserAdmin(NotDeleted):
    list_display = ("name", "email", "organization", "role", "is_active", "last_sign_in_at", "created_at")
    list_select_related = ("organization",)
    list_filter = ("role", "is_active")
    search_fields = ("search_text__contains",)
    raw_id_fields = ("organization",)
    fields = ("first_name", "last_name", "email", "organization", "role", "is_active")

    @admin.display(ordering=Collate("sort_name", "C"))
    def name(self, person: User) -> str:
        return " ".join(part for part in (person.first_name, person.last_name) if part) or person.email

    def get_queryset(self, request):
        return super().get_queryset(request).defer("sort_name", "search_text")


urlpatterns = [path("", admin.site.urls)]
app = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
