"""SPIFFE IDs by regular expressions over namespace and service account.

    {"rules": [{"namespace": "team-(?P<team>[a-z]+)", "serviceAccount": "(?P<service>.+)", "path": "/{team}/{service}"}]}

The first rule whose expressions match the whole of both names gives the path; a pod that none matches is skipped.
"""

import json
import re
import string
from dataclasses import dataclass

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import identity as api

FIELDS = ("namespace", "serviceAccount", "path")


@dataclass
class Rule:
    """One rule, its expressions compiled."""

    namespace: re.Pattern
    service_account: re.Pattern
    path: str

    def path_of(self, workload: api.Workload) -> str | None:
        """The path of a pod; none where the rule does not match it."""
        namespace = self.namespace.fullmatch(workload.namespace)
        service_account = self.service_account.fullmatch(workload.service_account)
        if namespace is None or service_account is None:
            return None
        names = {"namespace": workload.namespace, "serviceAccount": workload.service_account}
        return self.path.format_map(names | namespace.groupdict("") | service_account.groupdict(""))


class Reader:
    """Reads a configuration and collects all that is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[api.Problem] = []

    def tell(self, field: str, message: str) -> None:
        self.problems.append(api.Problem(field=field, message=message))

    def rules(self, text: str) -> list[Rule]:
        try:
            config = json.loads(text)
        except ValueError as error:
            self.tell("", f"is not JSON: {error}")
            return []
        if not isinstance(config, dict) or set(config) != {"rules"} or not isinstance(config["rules"], list):
            self.tell("", 'must be {"rules": […]} and nothing else')
            return []
        if not config["rules"]:
            self.tell("rules", "must hold a rule or more: without one every pod is skipped")
        rules = [self.rule(f"rules[{index}]", rule) for index, rule in enumerate(config["rules"])]
        return [rule for rule in rules if rule is not None]

    def rule(self, at: str, rule: object) -> Rule | None:
        if not isinstance(rule, dict) or not all(isinstance(value, str) for value in rule.values()):
            self.tell(at, f"must be an object of texts: {', '.join(FIELDS)}")
            return None
        for field in sorted(set(rule) - set(FIELDS)):
            self.tell(f"{at}.{field}", f"is unknown, must be one of {', '.join(FIELDS)}")
        namespace = self.expression(f"{at}.namespace", rule.get("namespace", ".*"))
        service_account = self.expression(f"{at}.serviceAccount", rule.get("serviceAccount", ".*"))
        path = rule.get("path", "")
        if not path.startswith("/"):
            self.tell(f"{at}.path", f"{path!r} must begin with /, as in /{{namespace}}/{{serviceAccount}}")
        if namespace is None or service_account is None:
            return None
        known = {"namespace", "serviceAccount", *namespace.groupindex, *service_account.groupindex}
        try:
            used = {name for _, name, _, _ in string.Formatter().parse(path) if name is not None}
        except ValueError as error:
            self.tell(f"{at}.path", f"{path!r}: {error}")
            return None
        for name in sorted(used - known):
            self.tell(f"{at}.path", f"{{{name}}} is no group of the rule, must be one of {', '.join(sorted(known))}")
        return Rule(namespace, service_account, path)

    def expression(self, field: str, text: str) -> re.Pattern | None:
        try:
            return re.compile(text)
        except re.error as error:
            self.tell(field, f"{text!r} is no regular expression: {error}")
            return None


class Identity(exports.Identity):
    """What the component exports."""

    def describe(self) -> api.Description:
        return api.Description(
            name="python-example",
            version="0.1.0",
            reads=api.Facts.NAMESPACE | api.Facts.SERVICE_ACCOUNT,
        )

    def validate(self, config: str) -> None:
        reader = Reader()
        reader.rules(config)
        if reader.problems:
            raise Err(reader.problems)

    def derive(self, workload: api.Workload, config: str) -> api.Decision:
        for rule in Reader().rules(config):
            path = rule.path_of(workload)
            if path is not None:
                identity = api.Identity(
                    spiffe_id=api.SpiffeId_Path(path), parent_id=None, selectors=[], dns_names=[], hint=None
                )
                return api.Decision_Identities([identity])
        return api.Decision_Skip(f"no rule matches {workload.namespace}/{workload.service_account}")
