//! The configuration file: what is wrong with it, and what of it is unusual.

use super::{Configuration, Facts, Section};
use crate::config::Config;
use crate::ledger::Mode;

/// Judges it.
pub(super) fn judge(facts: &Facts) -> Section {
    let mut section = Section::new("configuration", format!("Configuration {}", facts.place).trim_end());
    match &facts.configuration {
        Configuration::Absent(_) => section.warning(
            "file",
            "none was named: the rest is looked at with every default, and the trust domain is not compared",
            vec!["Name the registrar's own: doctor --config FILE.".to_owned()],
        ),
        Configuration::Bad(problems) => {
            for problem in problems {
                let mend = format!("Correct {} in {}.", problem.field, facts.place);
                section.failure("file", problem.to_string(), vec![mend]);
            }
        }
        Configuration::Good(config) => {
            let (trust_domain, mode) = (config.trust_domain.as_str(), config.mode);
            section.ok("file", format!("can be used: trust domain {trust_domain}, mode {mode:?}"));
            notes(&mut section, config);
        }
    }
    section
}

fn notes(section: &mut Section, config: &Config) {
    let mend = |text: &str| vec![text.to_owned()];
    match config.mode {
        Mode::Sync => {}
        Mode::UpsertOnly => section.warning(
            "mode",
            "UpsertOnly: what is to be deleted is told and stays in SPIRE",
            mend("Set mode: Sync where deletes are meant."),
        ),
        Mode::Observe => section.warning(
            "mode",
            "Observe: nothing is written to SPIRE or told on objects, and no lease is taken",
            mend("Set mode: Sync where this registrar is to write."),
        ),
    }
    if config.guardrails.rules.is_none() {
        section.warning(
            "guardrails",
            "guardrails.rules is absent: whoever may write a WorkloadIdentity gives out every SPIFFE ID of the trust domain",
            mend("Set guardrails.rules, as deploy/config.yaml shows (docs/security.md)."),
        );
    }
    if config.guardrails.role_arns.is_none() {
        section.warning(
            "roles",
            "guardrails.roleARNs is absent: whoever may write a registry has every role assumed that trusts the registrar",
            mend("Set guardrails.roleARNs: [arn:aws:iam::*:role/spire-eks-workload-registrar] to the roles that are meant."),
        );
    }
    if !config.leader_election.leader_elect && config.mode != Mode::Observe {
        section.warning(
            "leader election",
            "leaderElection.leaderElect is false: a second replica would write too",
            mend("Set leaderElection.leaderElect: true, or see to it that there is one replica at any time."),
        );
    }
    if config.adopt {
        section.warning(
            "adopt",
            "adopt is true: the predecessor's entries count as the registrar's own where a pod is to have them",
            mend("Set adopt: false once the migration is over (docs/migrating.md)."),
        );
    }
    if config.admin.bind_address == "0" {
        section.warning(
            "admin",
            "admin.bindAddress is 0: explain, diff and release cannot ask the registrar",
            mend("Set admin.bindAddress: 127.0.0.1:8083, which only a port-forward reaches."),
        );
    }
}
