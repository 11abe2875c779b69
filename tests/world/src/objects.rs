//! Kubernetes objects as tests need them, to be changed where a test needs more.

use serde_json::{Value, json};

/// A namespace.
pub fn namespace(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    })
}

/// A node of EC2, ready.
pub fn node(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": "us-west-2a"},
        },
        "spec": {"providerID": format!("aws:///us-west-2a/i-{}", instance(name))},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    })
}

/// A running pod that is bound to a node.
pub fn pod(namespace: &str, name: &str, node: &str, service_account: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": {"app": name}},
        "spec": {
            "nodeName": node,
            "serviceAccountName": service_account,
            "containers": [{"name": "main", "image": "registry.example/main:1"}],
        },
        "status": {"phase": "Running", "podIP": "10.0.0.1"},
    })
}

/// A `WorkloadIdentity` for the pods of a namespace. The template must not give two pods of a cluster one entry.
pub fn workload_identity(name: &str, namespace: &str, spiffe_id_template: &str) -> Value {
    json!({
        "apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1",
        "kind": "WorkloadIdentity",
        "metadata": {"name": name},
        "spec": {
            "applicationName": name,
            "namespace": namespace,
            "spiffeIDTemplate": spiffe_id_template,
        },
    })
}

/// Seventeen hexadecimal digits that a node's name stands for.
fn instance(node: &str) -> String {
    let start: u64 = 0xcbf2_9ce4_8422_2325;
    let hash = node.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:017x}")
}
