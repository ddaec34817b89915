"""MongoDB's answers to the commands that make users and replica sets, as its manual describes them.

Work-around for both servers (nx-27017, mongo-java-server): neither has these commands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COMMANDS = {
    *("createUser", "grantRolesToUser", "replSetGetStatus", "replSetInitiate", "revokeRolesFromUser"),
    *("updateUser", "usersInfo"),
}

_Role = dict[str, str]


@dataclass
class Users:
    """Users that were made, in any database; and whether there is a replica set."""

    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    roles: dict[str, list[_Role]] = field(default_factory=dict)
    members: list[Mapping[str, Any]] | None = field(default_factory=list)  # None: there is no set yet

    def answer(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Carry a command out and return the server's answer."""
        match next(iter(command.items())):
            case "usersInfo", {"user": str(user), "db": database}:
                known = [{"user": user, "db": database, "roles": self.roles[user]}] if user in self.roles else []
                return {"ok": 1.0, "users": known}
            case "createUser", str(user) if user in self.roles:
                return _refused(51003, f'User "{user}" already exists')
            case "createUser", str(user):
                self.passwords[user], self.roles[user] = command["pwd"], list(command["roles"])
            case _, str(user) if user not in self.roles and "replSet" not in next(iter(command)):
                return _refused(11, f'Could not find user "{user}"')
            case "updateUser", str(user):
                self.passwords[user] = command["pwd"]
            case "grantRolesToUser", str(user):
                self.roles[user] += command["roles"]
            case "revokeRolesFromUser", str(user):
                self.roles[user] = [role for role in self.roles[user] if role not in command["roles"]]
            case "replSetGetStatus", _ if self.members is None:
                return _refused(94, "no replset config has been received")
            case "replSetInitiate", wanted:
                self.members = list(wanted["members"])
        return {"ok": 1.0}


def _refused(code: int, text: str) -> dict[str, Any]:
    return {"ok": 0.0, "code": code, "errmsg": text}
