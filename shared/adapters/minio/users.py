"""Users of MinIO and their policies, by its administration interface."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import urllib3
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, MinioException, S3Error

from shared.access.admin_settings import Login
from shared.adapters.minio.settings import MinioSettings, pool_of
from shared.errors import Fatal, Transient

_NO_SUCH_USER = "XMinioAdminNoSuchUser"
_NO_SUCH_POLICY = "XMinioAdminNoSuchPolicy"
_WRONG_PASSWORD = "SignatureDoesNotMatch"  # noqa: S105  the name of an error


class MinioUsers:
    """Creates and updates users. Raises `Transient`, and `Fatal` if MinIO refuses."""

    def __init__(self, settings: MinioSettings) -> None:
        """`settings`: of an administrator."""
        self._settings = settings
        user, password = settings.access_key.get_secret_value(), settings.secret_key.get_secret_value()
        self._admin = MinioAdmin(
            endpoint=settings.endpoint,
            credentials=StaticProvider(user, password),
            region=settings.region,
            secure=settings.secure,
            http_client=pool_of(settings),
        )

    def bring(self, login: Login, policy: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
        """Give a user its password and the policy with its name; yield a line for each change, with True.

        Other policies of the user stay, and a disabled user stays disabled; for these, yield a line with False.
        """
        name = f"MinIO, user {login.user}"
        with _errors(name):
            if _statements(self._policy(login.user)) != _statements(policy):
                self._admin.policy_add(login.user, policy=dict(policy))
                yield f"{name}: its policy is set", True
            known = self._user(login.user)
            if known is None:
                self._admin.user_add(login.user, login.password)
                yield f"{name}: made", True
            elif known.get("status") != "enabled":
                yield f"{name}: left as it is: somebody has disabled it", False
                return
            elif not self._accepts(login):
                self._admin.user_add(login.user, login.password)
                yield f"{name}: its password is changed", True
            policies = {policy for policy in (known or {}).get("policyName", "").split(",") if policy}
            if login.user not in policies:
                self._admin.attach_policy([login.user], user=login.user)
                if known is not None:
                    yield f"{name}: has its policy again", True
            if others := policies - {login.user}:
                yield f"{name}: left as it is: it has other policies too: {', '.join(sorted(others))}", False

    def _user(self, name: str) -> dict[str, Any] | None:
        try:
            return dict(json.loads(self._admin.user_info(name)))
        except MinioAdminException as error:
            if _code(error) == _NO_SUCH_USER:
                return None
            raise

    def _policy(self, name: str) -> Mapping[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._admin.policy_info(name))
        except MinioAdminException as error:
            if _code(error) == _NO_SUCH_POLICY:
                return {}
            raise
        policy: dict[str, Any] = found.get("Policy", found)
        return policy

    def _accepts(self, login: Login) -> bool:
        """Return whether this user, which exists, has this password."""
        client = Minio(
            self._settings.endpoint,
            access_key=login.user,
            secret_key=login.password,
            secure=self._settings.secure,
            region=self._settings.region,
            http_client=pool_of(self._settings),
        )
        try:
            client.list_buckets()
        except S3Error as error:
            if error.code == _WRONG_PASSWORD:
                return False
            if error.response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
        return True


def _statements(policy: Mapping[str, Any]) -> set[tuple[str, frozenset[str], frozenset[str]]]:
    """Return the statements of a policy, without their order."""
    return {
        (part.get("Effect", ""), frozenset(_several(part.get("Action"))), frozenset(_several(part.get("Resource"))))
        for part in policy.get("Statement", [])
    }


def _several(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [str(part) for part in value] if isinstance(value, list) else []


def _code(error: MinioAdminException) -> str:
    try:
        return str(json.loads(error._body)["Code"])  # noqa: SLF001  the exception has no public attribute for it
    except (ValueError, KeyError, TypeError):
        return ""


@contextmanager
def _errors(where: str) -> Iterator[None]:
    """Translate the client's exceptions to errors of facestream, whose messages do not quote the request."""
    try:
        yield
    except MinioAdminException as error:
        text = f"{where}: {_code(error) or f'status {error._code}'}"  # noqa: SLF001  as above
        if int(error._code) >= HTTPStatus.INTERNAL_SERVER_ERROR:  # noqa: SLF001  as above
            raise Transient(text) from None
        msg = f"{text}; expected an administrator who may make users: check FACESTREAM_ADMIN_MINIO_*"
        raise Fatal(msg) from None
    except S3Error as error:
        msg = f"{where}: {error.code}"
        raise Transient(msg) from None
    except (MinioException, ValueError) as error:  # an answer that is not MinIO's
        msg = f"{where}: no answer of MinIO's administration: {type(error).__name__}"
        raise Fatal(msg) from None
    except urllib3.exceptions.HTTPError as error:
        msg = f"{where}: {error}"
        raise Transient(msg) from None
