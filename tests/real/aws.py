"""What AWS does for the registrar, on this machine: EKS and STS by moto, and STS as the authenticator of EKS asks it.

Usage: aws.py CONFIGURATION READY

CONFIGURATION is a JSON file: {"region", "account", "clusters": [{"name", "account", "endpoint", "authority",
"principal"}]}. When all is up, READY is written: {"port", "sts", "access_key", "secret_key"}: the port of moto, the port
at which presigned URLs are good, and the user whose credentials the registrar is started with.

POST /clusters/NAME there with {"endpoint", "authority"} changes what EKS says of a cluster.
"""

import datetime
import http.server
import json
import os
import sys
import threading
from urllib.parse import parse_qs, urlsplit

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.backends import get_backend
from moto.server import ThreadedMotoServer

with open(sys.argv[1]) as file:
    CONFIGURATION = json.load(file)
REGION, ACCOUNT = CONFIGURATION["region"], CONFIGURATION["account"]
CLUSTERS = {cluster["name"]: cluster for cluster in CONFIGURATION["clusters"]}
DESCRIBED = {}
IAM, STS, EKS = get_backend("iam"), get_backend("sts"), get_backend("eks")


def create_clusters():
    for name, cluster in CLUSTERS.items():
        role = cluster["principal"]
        # EKS shows a caller the clusters of the caller's account alone. Registries that name another account and no
        # role are nevertheless in the seed, so a cluster without a role is found by the registrar's own credentials.
        home = cluster["account"] if ":role/" in role else ACCOUNT
        described = EKS[home][REGION].create_cluster(
            name=name,
            role_arn=f"arn:aws:iam::{cluster['account']}:role/cluster",
            resources_vpc_config={"subnetIds": [], "securityGroupIds": []},
        )
        described.arn = f"arn:aws:eks:{REGION}:{cluster['account']}:cluster/{name}"
        DESCRIBED[name] = described
        describe(name, cluster)


def describe(name, cluster):
    DESCRIBED[name].endpoint = cluster["endpoint"]
    DESCRIBED[name].certificate_authority = {"data": cluster["authority"]}


class Refused(Exception):
    """Why STS does not take a presigned URL."""


def require(fact, why):
    if not fact:
        raise Refused(why)


def caller(access_key):
    """The credentials of an access key that moto gave out, its account, ARN and user id."""
    for account, backends in STS.items():
        role = backends["aws"].get_assumed_role_from_access_key(access_key)
        if role:
            credentials = Credentials(access_key, role.secret_access_key, role.session_token)
            # arn:aws:sts::<account>:assumed-role/<role>/<session>
            return credentials, account, role.arn, role.user_id
    user = IAM[ACCOUNT]["aws"].get_user_from_access_key_id(access_key)
    require(user, "nobody has this access key")
    key = next(key for key in user.access_keys if key.access_key_id == access_key)
    return Credentials(access_key, key.secret_access_key), ACCOUNT, user.arn, user.id


def identity(host, path, cluster):
    """Whose a presigned URL is: the signature is computed anew from the secret, which moto does not do."""
    parts = urlsplit(f"https://{host}{path}")
    query = {name: values[0] for name, values in parse_qs(parts.query, strict_parsing=True).items()}
    require(host == f"sts.{REGION}.amazonaws.com", f"{host} is not STS's host")
    require(query.get("Action") == "GetCallerIdentity", "the action is not GetCallerIdentity")
    require(query.get("Version") == "2011-06-15", "the version is not 2011-06-15")
    signed = datetime.datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    age = (datetime.datetime.now(datetime.timezone.utc) - signed).total_seconds()
    require(-60 < age < 900, f"the URL was signed {age:.0f} s ago")
    require(query["X-Amz-SignedHeaders"] == "host;x-k8s-aws-id", "host;x-k8s-aws-id are not what is signed")
    credentials, account, arn, user_id = caller(query["X-Amz-Credential"].split("/")[0])
    require(query.get("X-Amz-Security-Token") == credentials.token, "the session token is another one")
    unsigned = "&".join(part for part in parts.query.split("&") if not part.startswith("X-Amz-Signature="))
    request = AWSRequest("GET", parts._replace(query=unsigned).geturl(), headers={"x-k8s-aws-id": cluster})
    request.context["timestamp"] = query["X-Amz-Date"]
    signer = SigV4QueryAuth(credentials, "sts", REGION)
    expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    require(query["X-Amz-Signature"] == expected, "the signature is wrong")
    return {"Account": account, "Arn": arn, "UserId": user_id}


class Sts(http.server.BaseHTTPRequestHandler):
    """Answers presigned URLs as STS does when it is asked for JSON; changes what EKS says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        cluster = self.headers["x-k8s-aws-id"]
        try:
            result = identity(self.headers["Host"], self.path, cluster)
            print(f"{cluster}: {result['Arn']}", file=sys.stderr, flush=True)
            response = {"GetCallerIdentityResult": result, "ResponseMetadata": {"RequestId": "-"}}
            self.answer(200, {"GetCallerIdentityResponse": response})
        except Exception as error:  # whatever is wrong with it, it is refused
            print(f"{cluster}: refused: {error}", file=sys.stderr, flush=True)
            self.answer(403, {"Error": {"Code": "SignatureDoesNotMatch", "Message": str(error), "Type": "Sender"}})

    def do_POST(self):
        change = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        describe(self.path.removeprefix("/clusters/"), change)
        self.answer(200, {})

    def answer(self, code, answer):
        body = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing of each request: their URLs are credentials."""


def main():
    create_clusters()
    user = IAM[ACCOUNT]["aws"].create_user(REGION, "spire-registrar")
    key = IAM[ACCOUNT]["aws"].create_access_key(user.name)
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sts)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ready = {
        "port": moto.get_host_and_port()[1],
        "sts": server.server_address[1],
        "access_key": key.access_key_id,
        "secret_key": key.secret_access_key,
    }
    with open(sys.argv[2] + ".new", "w") as file:
        json.dump(ready, file)
    os.rename(sys.argv[2] + ".new", sys.argv[2])
    threading.Event().wait()


main()
