"""What the hub's errors mean, in words: which thing, why, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants, get_token
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from saebook.hub.errors import HubError
from saebook.hub.schema import DataEntry, SAEEntry, SubjectEntry

Entry = SubjectEntry | SAEEntry | DataEntry
TOKEN = "HF_TOKEN"  # the name of a variable, not a secret


class NoNetworkError(HubError):
    """The hub does not answer; what is in the cache may still do."""


@contextmanager
def explained(entry: Entry, revision: str) -> Iterator[None]:
    """Turn the hub library's errors into ones that say what to do.

    Raises:
        NoNetworkError: The hub does not answer, or is shut off by a variable.
        HubError: No token, no access, no such repository, revision or file.
    """
    try:
        yield
    except GatedRepoError as error:
        raise HubError(_gated(entry)) from error
    except RepositoryNotFoundError as error:
        raise HubError(_not_found(entry)) from error
    except RevisionNotFoundError as error:
        raise HubError(
            f"{entry.repo} has no revision {revision}; `python -m saebook.hub commit {entry.name}` "
            f"prints the present one, {entry.page}/commits/main lists all"
        ) from error
    except (OfflineModeIsEnabled, LocalEntryNotFoundError) as error:
        raise NoNetworkError(_unreachable(entry)) from error
    except EntryNotFoundError as error:
        raise HubError(f"{entry.repo} at {revision[:7]} lacks a file: {error}") from error
    except HFValidationError as error:
        raise HubError(f"{entry.repo}: {error}") from error
    except HTTPError as error:
        if getattr(error, "response", None) is None:
            raise NoNetworkError(_unreachable(entry)) from error
        raise HubError(f"the hub refused {entry.repo}: {error}") from error


def _gated(entry: Entry) -> str:
    if get_token() is None:
        return (
            f"{entry.repo} is gated and no token was found. Accept the licence ({entry.licence}) "
            f"at {entry.page}, make a read token in your account's settings, and set it in the "
            f"variable {TOKEN}"
        )
    return (
        f"{entry.repo} is gated and the account of the token in {TOKEN} has no access. Accept the "
        f"licence ({entry.licence}) at {entry.page} and wait until access is granted. {entry.note}"
    ).rstrip()


def _not_found(entry: Entry) -> str:
    token = "" if get_token() else f" A repository that needs a token ({TOKEN}) looks the same."
    return f"the hub has no {entry.kind} {entry.repo}, or does not show it.{token} See {entry.page}"


def _unreachable(entry: Entry) -> str:
    if constants.HF_HUB_OFFLINE:
        return (
            f"{entry.repo} is not in the cache and the hub is shut off by HF_HUB_OFFLINE; unset it"
        )
    return (
        f"{entry.repo} is not in the cache and {constants.ENDPOINT} does not answer; check the "
        "network, or fetch it on another machine and copy its cache folder (HF_HOME)"
    )
