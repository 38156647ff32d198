"""Add a user who may enter the page, give a new password, or remove one.

    kit passwd users anna
    kit passwd users anna --remove
    kit serve runs/bccd-onnx --auth-file users

The password is asked for twice; where there is no terminal, the first line of standard input is it.
The file holds a salted scrypt hash for each user, and is for its owner's eyes alone. A server that
is running sees the change at once: who was removed, or has a new password, has to log in again.
"""

from __future__ import annotations

import argparse
import sys
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="list of users; made if missing")
    parser.add_argument("user", metavar="USER", help="letters, digits, or any of . _ @ + -")
    parser.add_argument("--remove", action="store_true", help="the user may enter no more")


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.app.passwords import Hashed, check_name, read_users, write_users
    from kit.errors import UsageError

    user = check_name(args.user)
    users = read_users(args.file) if args.file.exists() else {}
    if args.remove:
        if users.pop(user, None) is None:
            raise UsageError(f"there is no user {user}", where=args.file)
        change = "removed"
    else:
        change = "replaced" if user in users else "added"
        users[user] = Hashed.of(_password(user))
    write_users(args.file, users)
    out.print(f"{args.file}: {user} {change}, {len(users)} user(s)")
    return {"file": str(args.file), "user": user, "change": change, "users": sorted(users)}


def _password(user: str) -> str:
    from kit.errors import UsageError

    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass(f"Password of {user}: ")
    if getpass("Once more: ") != password:
        raise UsageError("the two passwords differ", fix="nothing was changed; try again")
    return password
