"""What AWS does for the registrar, on this machine: EKS and STS by moto, and the authenticator of EKS's API servers.

Usage: aws.py CONFIGURATION READY

CONFIGURATION is a JSON file: {"region", "account", "certificate", "key", "clusters": [{"name", "account", "endpoint",
"authority", "principal"}]}. When all is up, READY is written: {"port", "authenticator", "principal", "access_key",
"secret_key"}: the ports of both services, and the user whose credentials the registrar is started with.
"""

import base64
import datetime
import http.server
import json
import os
import ssl
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
IAM, STS, EKS = get_backend("iam"), get_backend("sts"), get_backend("eks")
GROUP = "spire-eks-workload-registrar"


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
        described.endpoint = cluster["endpoint"]
        described.certificate_authority = {"data": cluster["authority"]}


class Refused(Exception):
    """Why a token is not one of ours."""


def require(fact, why):
    if not fact:
        raise Refused(why)


def caller(access_key):
    """The credentials of an access key that moto gave out, and whose they are."""
    for account, backends in STS.items():
        role = backends["aws"].get_assumed_role_from_access_key(access_key)
        if role:
            credentials = Credentials(access_key, role.secret_access_key, role.session_token)
            # arn:aws:sts::<account>:assumed-role/<role>/<session>: what is admitted is the role.
            return credentials, f"arn:aws:iam::{account}:role/{role.role_arn.split('/')[-1]}"
    user = IAM[ACCOUNT]["aws"].get_user_from_access_key_id(access_key)
    require(user, "nobody has this access key")
    key = next(key for key in user.access_keys if key.access_key_id == access_key)
    return Credentials(access_key, key.secret_access_key), user.arn


def authenticate(token, cluster):
    """Who a token is, by the rules of EKS's authenticator; it asks STS, here the signature is computed anew instead."""
    require(token.startswith("k8s-aws-v1."), "the token does not begin with k8s-aws-v1.")
    text = token.removeprefix("k8s-aws-v1.")
    require("=" not in text, "the token is padded")
    url = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query, strict_parsing=True).items()}
    require((parts.scheme, parts.path) == ("https", "/"), "the URL is not https://<host>/")
    require(parts.netloc == f"sts.{REGION}.amazonaws.com", f"{parts.netloc} is not STS's host")
    require(query.get("Action") == "GetCallerIdentity", "the action is not GetCallerIdentity")
    require(query.get("Version") == "2011-06-15", "the version is not 2011-06-15")
    known = {"Action", "Version", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
             "X-Amz-Security-Token", "X-Amz-Signature", "X-Amz-SignedHeaders"}
    require(query.keys() <= known, f"{query.keys() - known} are not allowed")
    require(query["X-Amz-SignedHeaders"] == "host;x-k8s-aws-id", "host;x-k8s-aws-id are not what is signed")
    require(0 < int(query["X-Amz-Expires"]) <= 900, "the URL is good for longer than 15 minutes")
    signed = datetime.datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    age = (datetime.datetime.now(datetime.timezone.utc) - signed).total_seconds()
    require(-60 < age < 900, f"the URL was signed {age:.0f} s ago")
    credentials, principal = caller(query["X-Amz-Credential"].split("/")[0])
    require(query.get("X-Amz-Security-Token") == credentials.token, "the session token is another one")
    unsigned = "&".join(part for part in parts.query.split("&") if not part.startswith("X-Amz-Signature="))
    request = AWSRequest("GET", parts._replace(query=unsigned).geturl(), headers={"x-k8s-aws-id": cluster["name"]})
    request.context["timestamp"] = query["X-Amz-Date"]
    signer = SigV4QueryAuth(credentials, "sts", REGION)
    expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    require(query["X-Amz-Signature"] == expected, "the signature is wrong")
    require(principal == cluster["principal"], f"{principal} has no access entry")
    return principal


class Authenticator(http.server.BaseHTTPRequestHandler):
    """Answers a TokenReview at /<the cluster's name in EKS>."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = urlsplit(self.path).path.strip("/")
        try:
            principal = authenticate(review["spec"]["token"], CLUSTERS[name])
            status = {"authenticated": True, "user": {"username": principal, "groups": [GROUP]}}
            print(f"{name}: {principal}", file=sys.stderr, flush=True)
        except Exception as error:  # whatever is wrong with a token, it is refused
            status = {"authenticated": False, "error": str(error)}
            print(f"{name}: refused: {error}", file=sys.stderr, flush=True)
        answer = json.dumps({"apiVersion": review["apiVersion"], "kind": "TokenReview", "status": status}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        """Says nothing of each request."""


def main():
    create_clusters()
    user = IAM[ACCOUNT]["aws"].create_user(REGION, "spire-registrar")
    key = IAM[ACCOUNT]["aws"].create_access_key(user.name)
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Authenticator)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CONFIGURATION["certificate"], CONFIGURATION["key"])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ready = {
        "port": moto.get_host_and_port()[1],
        "authenticator": server.server_address[1],
        "principal": user.arn,
        "access_key": key.access_key_id,
        "secret_key": key.secret_access_key,
    }
    with open(sys.argv[2] + ".new", "w") as file:
        json.dump(ready, file)
    os.rename(sys.argv[2] + ".new", sys.argv[2])
    threading.Event().wait()


main()
