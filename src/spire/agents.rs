//! What SPIRE knows of the agents that entries name as their parents: the last hop to a workload.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use registrar_core::explain::AgentShown;
use registrar_proto::agent::{CountAgentsRequest, GetAgentRequest};
use registrar_proto::types::{Agent, Spiffeid};
use tokio::time::Instant;
use tonic::Request;

use super::{Spire, SpireError};

/// How long SPIRE may take for one agent: whoever asks waits for it.
const TIME: Duration = Duration::from_secs(5);

impl Spire {
    /// How many agents have attested.
    pub async fn count_agents(&self, deadline: Instant) -> Result<u32, SpireError> {
        let mut client = self.agents.clone();
        let request = CountAgentsRequest { filter: None };
        let answer = self.call("CountAgents", deadline, request, |request: Request<_>| async move {
            client.count_agents(request).await
        });
        Ok(answer.await?.count.unsigned_abs())
    }

    /// What SPIRE knows of the agent with this SPIFFE ID.
    pub async fn agent(&self, id: &str) -> AgentShown {
        let shown =
            |state: &str, message: String| AgentShown { id: id.to_owned(), state: state.to_owned(), message };
        let path = id.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/'));
        let Some((trust_domain, path)) = path.filter(|(_, path)| path.starts_with("spire/agent/")) else {
            return shown(
                "NotAnAgent",
                format!(
                    "its parent {id} is no agent: an agent gets it only below an entry of that SPIFFE ID"
                ),
            );
        };
        let id_proto = Spiffeid { trust_domain: trust_domain.to_owned(), path: format!("/{path}") };
        let request = GetAgentRequest { id: Some(id_proto), output_mask: None };
        let mut client = self.agents.clone();
        let answer = self
            .call("GetAgent", Instant::now() + TIME, request, |request: Request<_>| async move {
                client.get_agent(request).await
            })
            .await;
        match answer {
            Ok(agent) => {
                let (state, message) = standing(id, &agent, Timestamp::now());
                shown(state, message)
            }
            // It was a question, so that it does not matter whether it was carried out.
            Err(
                SpireError::Refuse { code: "NotFound", .. } | SpireError::Answer { code: "NotFound", .. },
            ) => shown(
                "NotAttested",
                format!(
                    "SPIRE knows no agent {id}: the agent on the pod's node never attested, or was evicted"
                ),
            ),
            Err(error) => shown("Unknown", format!("SPIRE did not tell: {error}")),
        }
    }
}

fn standing(id: &str, agent: &Agent, now: Timestamp) -> (&'static str, String) {
    let until = Timestamp::from_second(agent.x509svid_expires_at).unwrap_or_default();
    match agent {
        Agent { banned: true, .. } => ("Banned", format!("SPIRE has banned its agent {id}")),
        _ if until <= now => (
            "Expired",
            format!(
                "the SVID of its agent {id} expired at {until}: the agent does not run, or cannot renew it"
            ),
        ),
        _ => ("Attested", format!("attested by {}; its SVID is valid until {until}", agent.attestation_type)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_attested_until_its_svid_ends_or_somebody_bans_it() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let agent = |seconds: i64, banned| Agent {
            x509svid_expires_at: now.as_second() + seconds,
            attestation_type: "k8s_psat".to_owned(),
            banned,
            ..Agent::default()
        };
        assert_eq!(standing("spiffe://a/spire/agent/x", &agent(60, false), now).0, "Attested");
        assert_eq!(standing("spiffe://a/spire/agent/x", &agent(0, false), now).0, "Expired");
        assert_eq!(standing("spiffe://a/spire/agent/x", &agent(60, true), now).0, "Banned");
    }
}
