//! The SPIRE server: whether it answers, whose it is, and whether the registrar may write there.

use serde::{Deserialize, Serialize};

use super::{Answer, Configuration, Facts, Failed, Section, failure};

/// What the SPIRE server said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Spire {
    /// The configuration's key that names it.
    pub key: String,
    /// Its socket or address.
    pub place: String,
    /// By mutual TLS: the SPIFFE ID of the SVID that the Workload API gave, and until when it is good. None at a socket.
    pub svid: Answer<String>,
    /// Whether it answers at all.
    pub connection: Answer<()>,
    /// Whether it is of the configuration's trust domain; its own words where it is not.
    pub trust_domain: Answer<()>,
    /// How many entries it holds.
    pub entries: Answer<u32>,
    /// How many agents have attested.
    pub agents: Answer<u32>,
}

/// Judges it.
pub(super) fn judge(facts: &Facts) -> Section {
    let Some(spire) = &facts.spire else {
        let mut section = Section::new("spire", "SPIRE server");
        section.skipped("connection", "the configuration cannot be used");
        return section;
    };
    let mut section = Section::new("spire", format!("SPIRE server {} ({})", spire.place, spire.key));
    match &spire.svid {
        None => {}
        Some(Ok(svid)) => section.ok("own SVID", svid),
        Some(Err(failed)) => {
            let mend = "Run an agent whose Workload API is at workloadAPISocketPath, and make the registrar's own entry:";
            section.failure("own SVID", &failed.message, vec![mend.to_owned(), own_entry(facts)]);
        }
    }
    match &spire.connection {
        None => section.skipped("connection", "there is no SVID to show"),
        Some(Ok(())) => section.ok("connection", "it answers (its API does not tell its version)"),
        Some(Err(failed)) => {
            let next = match failed.next.as_str() {
                "" => "See docs/operations.md, Ways to SPIRE.",
                next => next,
            };
            section.failure("connection", &failed.message, vec![next.to_owned()]);
        }
    }
    let connected = "there is no connection";
    let admitted = "it does not let the registrar in";
    let failures = [failure(&spire.trust_domain), failure(&spire.entries)];
    let is_denied = failures.into_iter().flatten().find(|failed| is_refusal(failed));
    match (is_denied, &spire.entries) {
        (Some(failed), _) => {
            let mend =
                "Mark the registrar's own entry as admin, or make one; at the socket everybody is let in:";
            section.failure("rights", &failed.message, vec![mend.to_owned(), own_entry(facts)]);
        }
        (None, None) => section.skipped("rights", connected),
        (None, Some(Ok(count))) => {
            section.ok("rights", format!("it may list entries, of which there are {count}"))
        }
        (None, Some(Err(failed))) => section.failure("rights", &failed.message, again()),
    }
    match &spire.trust_domain {
        _ if is_denied.is_some() => section.skipped("trust domain", admitted),
        None if matches!(facts.configuration, Configuration::Absent(_))
            && spire.connection == Some(Ok(())) =>
        {
            section.skipped("trust domain", "no configuration says which it should be");
        }
        None => section.skipped("trust domain", connected),
        Some(Ok(())) => section.ok("trust domain", format!("it is {}", trust_domain(facts))),
        Some(Err(failed)) if failed.reason == "InvalidArgument" => section.failure(
            "trust domain",
            format!(
                "the configuration's trustDomain is {}, and SPIRE says: {}",
                trust_domain(facts),
                failed.message
            ),
            vec![format!(
                "Set trustDomain to that of this server, or {} to the server of {}.",
                spire.key,
                trust_domain(facts)
            )],
        ),
        Some(Err(failed)) => section.failure("trust domain", &failed.message, again()),
    }
    match &spire.agents {
        _ if is_denied.is_some() => section.skipped("agents", admitted),
        None => section.skipped("agents", connected),
        Some(Ok(0)) => section.warning(
            "agents",
            "none has attested: no workload can get its SVID",
            vec![
                "Start SPIRE agents in the workload clusters: spire-server agent list shows them.".to_owned(),
            ],
        ),
        Some(Ok(count)) => section.ok("agents", format!("{count} have attested")),
        Some(Err(failed)) => section.failure("agents", &failed.message, again()),
    }
    section
}

fn is_refusal(failed: &Failed) -> bool {
    matches!(failed.reason.as_str(), "PermissionDenied" | "Unauthenticated")
}

fn again() -> Vec<String> {
    vec!["Look at the SPIRE server's log.".to_owned()]
}

fn trust_domain(facts: &Facts) -> &str {
    facts.configuration.config().map_or("example.org", |config| config.trust_domain.as_str())
}

/// The command that makes the registrar's own entry, as docs/operations.md has it.
fn own_entry(facts: &Facts) -> String {
    let trust_domain = trust_domain(facts);
    format!(
        "  spire-server entry create -admin -spiffeID spiffe://{trust_domain}/spire-eks-workload-registrar \\\n      \
         -parentID spiffe://{trust_domain}/management-nodes \\\n      \
         -selector k8s:ns:spire-system -selector k8s:sa:spire-eks-workload-registrar"
    )
}
