"""Without Wasm: `python3 -m unittest`, with the bindings that componentize-py makes on PYTHONPATH."""

import dataclasses
import json
import unittest

from componentize_py_types import Err
from wit_world.exports import identity as api

import app

CONFIG = json.dumps(
    {
        "rules": [
            {"namespace": "team-(?P<team>[a-z]+)", "serviceAccount": "(?P<service>.+)", "path": "/{team}/{service}"},
            {"namespace": "shared", "path": "/shared/{serviceAccount}"},
        ]
    }
)


def workload(namespace: str, service_account: str) -> api.Workload:
    """A pod of which nothing else is known."""
    values = {field.name: [] if "List" in str(field.type) else "" for field in dataclasses.fields(api.Workload)}
    return api.Workload(**values | {"namespace": namespace, "service_account": service_account})


class Test(unittest.TestCase):
    def test_the_first_rule_that_matches_gives_the_path(self):
        for namespace, service_account, path in [
            ("team-blue", "web", "/blue/web"),
            ("shared", "proxy", "/shared/proxy"),
        ]:
            decision = app.Identity().derive(workload(namespace, service_account), CONFIG)
            self.assertEqual(decision.value[0].spiffe_id, api.SpiffeId_Path(path))

    def test_names_are_matched_as_a_whole(self):
        decision = app.Identity().derive(workload("my-team-blue", "web"), CONFIG)
        self.assertEqual(decision, api.Decision_Skip("no rule matches my-team-blue/web"))

    def test_all_that_is_wrong_with_a_configuration_is_told(self):
        for config, fields in [
            ({"rules": [{"path": "/{namespace}"}]}, []),
            ({}, [""]),
            ([], [""]),
            ({"rules": []}, ["rules"]),
            ({"rules": [7, {"path": "a", "nmespace": "x"}]}, ["rules[0]", "rules[1].nmespace", "rules[1].path"]),
            ({"rules": [{"namespace": "(", "path": "/a"}]}, ["rules[0].namespace"]),
            ({"rules": [{"namespace": "(?P<a>x)", "path": "/{a}/{b}"}]}, ["rules[0].path"]),
            ({"rules": [{"path": "/{namespace.__class__}"}, {"path": "/{"}]}, ["rules[0].path", "rules[1].path"]),
        ]:
            try:
                app.Identity().validate(json.dumps(config))
                told = []
            except Err as error:
                told = [problem.field for problem in error.value]
            self.assertEqual(told, fields, config)
        with self.assertRaises(Err):
            app.Identity().validate("{")


if __name__ == "__main__":
    unittest.main()
