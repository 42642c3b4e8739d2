"""Requests to this machine itself, which no proxy can pass on."""

import os

HOSTS = ("127.0.0.1", "localhost")


def direct() -> dict[str, str]:
    """Variables with which HTTP clients ask `HOSTS` directly, whatever HTTP_PROXY says.

    Clients read one spelling or the other, and both hold what the user listed in either.
    """
    given = [os.environ.get(name, "") for name in ("no_proxy", "NO_PROXY")]
    listed = dict.fromkeys(host.strip() for each in given for host in each.split(","))
    hosts = ["*"] if "*" in listed else [*filter(None, listed | dict.fromkeys(HOSTS))]
    return dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(hosts))
