//! An identity for each container, by the workload that owns the pod and by the container's image.

use registrar_plugin::{Container, Decision, Facts, Failure, Identity, Plugin, Problem, Workload, export};
use serde::Deserialize;

/// The label by which a Deployment tells its ReplicaSets apart; its value ends their names.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// `spec.plugin.config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// What the path begins with.
    prefix: Vec<String>,
    /// Kinds of owners whose pods get an identity; others are skipped.
    kinds: Vec<String>,
    /// The first that fits a container's image says what it is; a container that none fits gets no identity.
    images: Vec<Image>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            prefix: vec!["ns".to_owned()],
            kinds: ["Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job"].map(str::to_owned).to_vec(),
            images: vec![Image { repository: "*".to_owned(), role: None }],
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    /// The image without tag and digest; `*` at the end stands for any characters.
    repository: String,
    /// What the container is called in the SPIFFE ID; absent: its name in the pod.
    role: Option<String>,
}

impl Image {
    fn fits(&self, repository: &str) -> bool {
        match self.repository.strip_suffix('*') {
            Some(head) => repository.starts_with(head),
            None => repository == self.repository,
        }
    }
}

struct OwnerChain;

impl Plugin for OwnerChain {
    type Config = Config;
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn reads() -> Facts {
        Facts::NAMESPACE | Facts::OWNER_REFERENCES | Facts::POD_LABELS | Facts::CONTAINERS
    }

    fn check(config: &Config) -> Vec<Problem> {
        let mut problems = Vec::new();
        let lists = [("kinds", config.kinds.is_empty()), ("images", config.images.is_empty())];
        for (field, _) in lists.into_iter().filter(|(_, is_empty)| *is_empty) {
            problems.push(Problem::new(field, "must not be empty: no pod would get an identity"));
        }
        for (index, image) in config.images.iter().enumerate() {
            let head = image.repository.strip_suffix('*').unwrap_or(&image.repository);
            if image.repository.is_empty() || head.contains('*') {
                let right = "must be a repository such as registry.example/team/api, with * at its end only";
                problems.push(Problem::new(format!("images[{index}].repository"), right));
            } else if head.contains('@') || tag_of(head).is_some() {
                let right = "must have neither tag nor digest: they are taken off before it is compared";
                problems.push(Problem::new(format!("images[{index}].repository"), right));
            }
        }
        problems
    }

    fn derive(workload: &Workload, config: &Config) -> Result<Decision, Failure> {
        let Some((kind, owner)) = owner(workload) else {
            return Ok(Decision::skip("no controller owns the pod"));
        };
        if !config.kinds.iter().any(|wanted| wanted == kind) {
            return Ok(Decision::skip(format!("config.kinds does not name {kind}, which owns the pod")));
        }
        let kind = kind.to_ascii_lowercase();
        let mut identities = Vec::new();
        // An init container has its identity by the name that it has in the pod, as every other has.
        for container in &workload.containers {
            let repository = repository_of(&container.image);
            let Some(image) = config.images.iter().find(|image| image.fits(repository)) else { continue };
            let role = image.role.as_deref().unwrap_or(&container.name);
            let segments = config.prefix.iter().map(String::as_str);
            let segments = segments.chain([workload.namespace.as_str(), &kind, owner, role]);
            identities.push(of_container(workload.identity(segments)?, container, role)?);
        }
        match identities.is_empty() {
            true => Ok(Decision::skip("no image of the pod is one of config.images")),
            false => Decision::identities(identities),
        }
    }
}

export!(OwnerChain);

fn of_container(identity: Identity, container: &Container, role: &str) -> Result<Identity, Failure> {
    Ok(identity.selector("k8s", format!("container-name:{}", container.name))?.hint(role)?)
}

/// Kind and name of what people made: the Deployment of a ReplicaSet, the CronJob of a Job. A pod names its controller
/// only; the name of what made that is the controller's without the part that its maker appended.
fn owner(workload: &Workload) -> Option<(&str, &str)> {
    let controller = workload.controller()?;
    let (kind, name) = (controller.kind.as_str(), controller.name.as_str());
    let made_by = match kind {
        "ReplicaSet" => workload
            .pod_label(TEMPLATE_HASH)
            .and_then(|hash| name.strip_suffix(hash)?.strip_suffix('-'))
            .map(|name| ("Deployment", name)),
        // A CronJob's Job is named after the minute it is for, counted since 1970: eight digits until 2160.
        "Job" => name
            .rsplit_once('-')
            .filter(|(_, minute)| minute.len() == 8 && minute.bytes().all(|b| b.is_ascii_digit()))
            .map(|(name, _)| ("CronJob", name)),
        _ => None,
    };
    Some(made_by.unwrap_or((kind, name)))
}

/// An image without tag and digest.
fn repository_of(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(image, _)| image);
    match tag_of(image) {
        Some(tag) => image.strip_suffix(tag).and_then(|image| image.strip_suffix(':')).unwrap_or(image),
        None => image,
    }
}

/// What follows the last colon, if that is not a port.
fn tag_of(image: &str) -> Option<&str> {
    image.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/'))
}

#[cfg(test)]
mod tests {
    use registrar_plugin::{OwnerReference, testing};

    use super::*;

    fn workload(kind: &str, name: &str, containers: &[(&str, &str)]) -> Workload {
        Workload {
            namespace: "shop".to_owned(),
            pod_labels: testing::labels([("app", "web"), (TEMPLATE_HASH, "5d4f7c9b6d")]),
            owner_references: vec![OwnerReference {
                api_version: "apps/v1".to_owned(),
                kind: kind.to_owned(),
                name: name.to_owned(),
                uid: "u".to_owned(),
                controller: true,
            }],
            containers: containers
                .iter()
                .map(|(name, image)| Container {
                    name: name.to_string(),
                    image: image.to_string(),
                    init: false,
                })
                .collect(),
            ..Workload::default()
        }
    }

    #[test]
    fn each_container_gets_its_own_identity() {
        let config = r#"{"images": [
            {"repository": "registry.example:5000/shop/web", "role": "web"}, {"repository": "registry.example:5000/mesh/*"}]}"#;
        let pod = workload(
            "ReplicaSet",
            "web-5d4f7c9b6d",
            &[
                ("main", "registry.example:5000/shop/web:1.4@sha256:00"),
                ("proxy", "registry.example:5000/mesh/envoy:1"),
                ("debug", "busybox"),
            ],
        );
        let decision = testing::derive::<OwnerChain>(&pod, config).unwrap();
        let Decision::Identities(identities) = &decision else { panic!("{decision:?}") };
        assert_eq!(
            decision.spiffe_ids(),
            [
                "spiffe://example.org/ns/shop/deployment/web/web",
                "spiffe://example.org/ns/shop/deployment/web/proxy"
            ]
        );
        assert_eq!(identities[0].selectors(), ["k8s:container-name:main"]);
    }

    #[test]
    fn owners_of_owners_are_told_by_name() {
        for (kind, name, expected) in [
            ("ReplicaSet", "web-5d4f7c9b6d", Some("deployment/web")),
            ("ReplicaSet", "by-hand", None),
            ("StatefulSet", "db", Some("statefulset/db")),
            ("Job", "backup-28391040", Some("cronjob/backup")),
            ("Job", "backup-1", Some("job/backup-1")),
            ("Rollout", "web", None),
        ] {
            let decision = testing::derive::<OwnerChain>(&workload(kind, name, &[("a", "a")]), "{}").unwrap();
            let expected = expected.map(|owner| format!("spiffe://example.org/ns/shop/{owner}/a"));
            assert_eq!(decision.spiffe_ids(), Vec::from_iter(expected.as_deref()), "{kind} {name}");
        }
    }

    #[test]
    fn pods_without_an_owner_or_a_known_image_are_skipped() {
        let mut pod = workload("DaemonSet", "agent", &[("a", "busybox:1")]);
        let config = r#"{"images": [{"repository": "registry.example/*"}]}"#;
        let decision = testing::derive::<OwnerChain>(&pod, config).unwrap();
        assert_eq!(decision, Decision::skip("no image of the pod is one of config.images"));
        pod.owner_references.clear();
        let decision = testing::derive::<OwnerChain>(&pod, "{}").unwrap();
        assert_eq!(decision, Decision::skip("no controller owns the pod"));
    }

    #[test]
    fn images_are_compared_without_tag_and_digest() {
        for (image, repository) in [
            ("busybox", "busybox"),
            ("busybox:1.36", "busybox"),
            ("registry:5000/a/b", "registry:5000/a/b"),
            ("registry:5000/a/b:v1@sha256:00", "registry:5000/a/b"),
        ] {
            assert_eq!(repository_of(image), repository);
        }
        let config = r#"{"kinds": [], "images": [{"repository": "a:1"}, {"repository": "*/a"}, {"repository": "r:5000/a"}]}"#;
        let problems = testing::validate::<OwnerChain>(config).unwrap_err();
        let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["kinds", "images[0].repository", "images[1].repository"]);
    }
}
