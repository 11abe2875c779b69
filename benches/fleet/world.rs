//! Clusters, identities and pods as large as real ones, made as the bytes that an API server sends.

use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use registrar_core::facts::{Change, ObjectChange};
use serde_json::{Value, json};

/// How many identities there are; each is in a namespace of its own.
pub const IDENTITIES: usize = 50;
/// How many pods run on one node.
const PODS_ON_NODE: usize = 30;
/// How many pods one Deployment has.
const REPLICAS: usize = 10;
/// How many pods a page of a list has.
const PAGE: usize = 500;

/// One pod of a cluster. The same number is the same pod; `revision` is what a Deployment's update changes.
#[derive(Debug, Clone, Copy)]
pub struct Pod {
    pub cluster: usize,
    pub number: usize,
    pub revision: u64,
    /// Its node's number; otherwise the one that its own number says.
    pub node: Option<usize>,
}

impl Pod {
    fn deployment(self) -> usize {
        self.number / REPLICAS
    }

    pub fn namespace(self) -> usize {
        self.deployment() % IDENTITIES
    }

    fn node(self) -> usize {
        self.node.unwrap_or(self.number / PODS_ON_NODE)
    }

    fn uid(self) -> String {
        format!("{:08x}-0000-4000-8000-{:012x}", self.cluster, self.number)
    }

    /// Its JSON, 6 KB of it: 12 labels, 3 containers, managedFields.
    pub fn json(self, version: u64, phase: &str) -> String {
        let (deployment, namespace, node, uid) =
            (self.deployment(), self.namespace(), self.node(), self.uid());
        let hash = format!("{:09x}", deployment * 7919 + 4096);
        let suffix = format!("{:05x}", self.number % 0xf_ffff);
        let mut text = String::with_capacity(7 << 10);
        let _ = write!(
            text,
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"app-{deployment}-{hash}-{suffix}","generateName":"app-{deployment}-{hash}-","namespace":"team-{namespace}","uid":"{uid}","resourceVersion":"{version}","creationTimestamp":"2026-05-04T09:12:44Z","labels":{{"app.kubernetes.io/name":"app-{deployment}","app.kubernetes.io/instance":"app-{deployment}-production","app.kubernetes.io/version":"1.14.{}","app.kubernetes.io/component":"backend","app.kubernetes.io/part-of":"team-{namespace}-platform","app.kubernetes.io/managed-by":"Helm","helm.sh/chart":"service-4.2.0","environment":"production","team":"team-{namespace}","tier":"web","cost-center":"cc-{namespace}","pod-template-hash":"{hash}"}},"annotations":{{"kubectl.kubernetes.io/restartedAt":"2026-05-04T09:12:40Z","prometheus.io/scrape":"true","prometheus.io/port":"8080","checksum/config":"5f0b8f4f3a0a4d57c5e1fd5d3f0e7f9a2b4e0b7f9cba6a3a4a9be7f0ce3b1d22"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"app-{deployment}-{hash}","uid":"7c0b4b8e-3b7f-4a52-9d7a-1f0d2c9b6e55","controller":true,"blockOwnerDeletion":true}}],"managedFields":["#,
            self.revision
        );
        text.push_str(MANAGED);
        let _ = write!(
            text,
            r#"]}},"spec":{{"nodeName":"ip-10-{}-{}-{}.us-west-2.compute.internal","serviceAccountName":"app-{deployment}","serviceAccount":"app-{deployment}","restartPolicy":"Always","dnsPolicy":"ClusterFirst","terminationGracePeriodSeconds":30,"schedulerName":"default-scheduler","priority":0,"preemptionPolicy":"PreemptLowerPriority","enableServiceLinks":true,"securityContext":{{"runAsNonRoot":true,"fsGroup":2000}},"tolerations":[{{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}},{{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}}],"volumes":[{{"name":"config","configMap":{{"name":"app-{deployment}-config","defaultMode":420}}}},{{"name":"kube-api-access-x7k2p","projected":{{"sources":[{{"serviceAccountToken":{{"expirationSeconds":3607,"path":"token"}}}},{{"configMap":{{"name":"kube-root-ca.crt","items":[{{"key":"ca.crt","path":"ca.crt"}}]}}}}],"defaultMode":420}}}}],"containers":["#,
            self.cluster,
            node / 250,
            node % 250
        );
        for (index, container) in ["app", "envoy", "telemetry"].iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            let _ = write!(
                text,
                r#"{{"name":"{container}","image":"111111111111.dkr.ecr.us-west-2.amazonaws.com/{container}:1.14.2@sha256:9b1f6d5c3a2e4f7081b2c3d4e5f60718293a4b5c6d7e8f901a2b3c4d5e6f7081","ports":[{{"name":"http","containerPort":{},"protocol":"TCP"}}],"env":[{{"name":"POD_NAME","valueFrom":{{"fieldRef":{{"apiVersion":"v1","fieldPath":"metadata.name"}}}}}},{{"name":"LOG_LEVEL","value":"info"}},{{"name":"DATABASE_URL","valueFrom":{{"secretKeyRef":{{"name":"app-{deployment}","key":"url"}}}}}}],"resources":{{"limits":{{"memory":"512Mi"}},"requests":{{"cpu":"100m","memory":"256Mi"}}}},"volumeMounts":[{{"name":"config","mountPath":"/etc/app"}},{{"name":"kube-api-access-x7k2p","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}}],"livenessProbe":{{"httpGet":{{"path":"/healthz","port":"http","scheme":"HTTP"}},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3}},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}}"#,
                8080 + index
            );
        }
        let _ = write!(
            text,
            r#"]}},"status":{{"phase":"{phase}","conditions":[{{"type":"Ready","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-05-04T09:13:01Z"}},{{"type":"PodScheduled","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-05-04T09:12:44Z"}}],"hostIP":"10.0.12.7","podIP":"10.0.13.{}","qosClass":"Burstable","startTime":"2026-05-04T09:12:44Z"}}}}"#,
            self.number % 250
        );
        text
    }

    /// A line of a watch.
    pub fn event(self, kind: &str, version: u64, phase: &str) -> String {
        format!("{{\"type\":\"{kind}\",\"object\":{}}}", self.json(version, phase))
    }
}

/// What the API server notes of who set which field.
const MANAGED: &str = r#"{"manager":"kube-controller-manager","operation":"Update","apiVersion":"v1","time":"2026-05-04T09:12:44Z","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:annotations":{".":{},"f:checksum/config":{},"f:kubectl.kubernetes.io/restartedAt":{},"f:prometheus.io/port":{},"f:prometheus.io/scrape":{}},"f:generateName":{},"f:labels":{".":{},"f:app.kubernetes.io/component":{},"f:app.kubernetes.io/instance":{},"f:app.kubernetes.io/name":{},"f:environment":{},"f:pod-template-hash":{},"f:team":{}},"f:ownerReferences":{".":{},"k:{\"uid\":\"7c0b4b8e-3b7f-4a52-9d7a-1f0d2c9b6e55\"}":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{},"f:env":{".":{},"k:{\"name\":\"LOG_LEVEL\"}":{".":{},"f:name":{},"f:value":{}}},"f:image":{},"f:imagePullPolicy":{},"f:livenessProbe":{".":{},"f:failureThreshold":{},"f:httpGet":{".":{},"f:path":{},"f:port":{},"f:scheme":{}},"f:periodSeconds":{},"f:timeoutSeconds":{}},"f:name":{},"f:ports":{".":{},"k:{\"containerPort\":8080,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:name":{},"f:protocol":{}}},"f:resources":{".":{},"f:limits":{".":{},"f:memory":{}},"f:requests":{".":{},"f:cpu":{},"f:memory":{}}},"f:volumeMounts":{".":{},"k:{\"mountPath\":\"/etc/app\"}":{".":{},"f:mountPath":{},"f:name":{}}}}},"f:dnsPolicy":{},"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},"f:serviceAccountName":{},"f:volumes":{".":{},"k:{\"name\":\"config\"}":{".":{},"f:configMap":{".":{},"f:defaultMode":{},"f:name":{}},"f:name":{}}}}}},{"manager":"kubelet","operation":"Update","apiVersion":"v1","time":"2026-05-04T09:13:01Z","fieldsType":"FieldsV1","fieldsV1":{"f:status":{"f:conditions":{"k:{\"type\":\"Ready\"}":{".":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}}},"f:containerStatuses":{},"f:hostIP":{},"f:phase":{},"f:podIP":{},"f:startTime":{}}},"subresource":"status"}"#;

pub fn cluster_name(cluster: usize) -> String {
    format!("cluster-{cluster}")
}

/// The numbers of so many pods, page by page.
pub fn pages(pods: usize) -> impl Iterator<Item = Range<usize>> {
    (0..pods).step_by(PAGE).map(move |begin| begin..(begin + PAGE).min(pods))
}

/// A page of a list of pods, as the API server writes it.
pub fn page(cluster: usize, numbers: Range<usize>) -> String {
    let mut text = String::with_capacity(numbers.len() * (7 << 10));
    text.push_str(r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1000"},"items":["#);
    for (index, number) in numbers.enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&Pod { cluster, number, revision: 0, node: None }.json(7, "Running"));
    }
    text.push_str("]}");
    text
}

/// The nodes of a cluster with so many pods, with the labels that nodes of EKS have.
pub fn nodes(cluster: usize, pods: usize) -> Vec<Value> {
    let count = pods.div_ceil(PODS_ON_NODE).max(1);
    let node = |node: usize| {
        let name = format!("ip-10-{cluster}-{}-{}.us-west-2.compute.internal", node / 250, node % 250);
        json!({"metadata": {"name": name, "uid": format!("{cluster:08x}-0000-4000-9000-{node:012x}"), "labels": {
            "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
            "node.kubernetes.io/instance-type": "m6i.4xlarge", "topology.kubernetes.io/region": "us-west-2",
            "topology.kubernetes.io/zone": "us-west-2a", "eks.amazonaws.com/nodegroup": "general",
            "eks.amazonaws.com/capacityType": "ON_DEMAND", "k8s.io/cloud-provider-aws": "0123456789abcdef",
            "eks.amazonaws.com/nodegroup-image": "ami-0123456789abcdef0", "team": "platform", "pool": "general"}},
            "spec": {"providerID": format!("aws:///us-west-2a/i-{node:017x}")}})
    };
    (0..count).map(node).collect()
}

pub fn namespaces() -> impl Iterator<Item = Value> {
    (0..IDENTITIES).map(|team| {
        let name = format!("team-{team}");
        json!({"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name, "team": name}}})
    })
}

pub fn registries(clusters: usize) -> Change {
    let registry = |cluster: usize| {
        let name = cluster_name(cluster);
        let object = json!({"metadata": {"name": name}, "spec": {"clusterName": name, "region": "us-west-2",
            "accountId": "111111111111", "enabled": true, "labels": {"environment": "production"}}});
        Ok(Arc::new(serde_json::from_value(object).unwrap()))
    };
    Change::Registries(ObjectChange::Listed((0..clusters).map(registry).collect()))
}

/// An identity of one namespace, with a selector and the templates that people use; `path` is a part of its SPIFFE IDs.
pub fn identity(team: usize, path: &str) -> registrar_core::api::WorkloadIdentity {
    let object = json!({"metadata": {"name": format!("team-{team}"), "generation": 1}, "spec": {
        "applicationName": "web", "namespace": format!("team-{team}"),
        "clusterSelector": {"matchLabels": {"environment": "production"}},
        "podSelector": {"matchLabels": {"team": format!("team-{team}")}},
        "spiffeIDTemplate":
            format!("spiffe://{{{{ .TrustDomain }}}}/{path}/{{{{ .PodMeta.Namespace }}}}/sa/{{{{ .PodSpec.ServiceAccountName }}}}"),
        "workloadSelectorTemplates": ["k8s:ns:{{ .PodMeta.Namespace }}", "k8s:sa:{{ .PodSpec.ServiceAccountName }}"],
        "dnsNameTemplates": ["{{ .PodMeta.Name }}.{{ .PodMeta.Namespace }}.svc",
            "{{ .PodMeta.Name }}.{{ .PodMeta.Namespace }}.svc.cluster.local"]}});
    serde_json::from_value(object).unwrap()
}

pub fn identities() -> Change {
    let all = (0..IDENTITIES).map(|team| Ok(Arc::new(identity(team, "ns"))));
    Change::Identities(ObjectChange::Listed(all.collect()))
}
