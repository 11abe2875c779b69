//! The Agent API as far as a registrar asks it: which agents have attested, until when, and which are banned.

use std::sync::Arc;

use futures::stream::BoxStream;
use registrar_proto::agent::agent_server::Agent as AgentApi;
use registrar_proto::agent::{
    AttestAgentRequest, AttestAgentResponse, BanAgentRequest, CountAgentsRequest, CountAgentsResponse,
    CreateJoinTokenRequest, DeleteAgentRequest, GetAgentRequest, ListAgentsRequest, ListAgentsResponse,
    PostStatusRequest, PostStatusResponse, RenewAgentRequest, RenewAgentResponse,
};
use registrar_proto::types::{Agent, JoinToken};
use tonic::{Request, Response, Status, Streaming};

use super::{Shared, lock};

/// The service.
pub(super) struct Agents(pub(super) Arc<Shared>);

/// What is not of this world.
fn nothing<T>(method: &str) -> Result<T, Status> {
    Err(Status::unimplemented(format!("the simulated SPIRE server has no {method}")))
}

#[tonic::async_trait]
impl AgentApi for Agents {
    async fn get_agent(&self, request: Request<GetAgentRequest>) -> Result<Response<Agent>, Status> {
        let id = request.into_inner().id.ok_or_else(|| Status::invalid_argument("missing agent ID"))?;
        let state = lock(&self.0.state);
        let agent = state.agents.iter().find(|agent| agent.id.as_ref() == Some(&id));
        agent.cloned().map(Response::new).ok_or_else(|| Status::not_found("agent not found"))
    }

    async fn count_agents(
        &self,
        _: Request<CountAgentsRequest>,
    ) -> Result<Response<CountAgentsResponse>, Status> {
        let count = lock(&self.0.state).agents.len();
        let count = i32::try_from(count).map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(CountAgentsResponse { count }))
    }

    async fn list_agents(
        &self,
        _: Request<ListAgentsRequest>,
    ) -> Result<Response<ListAgentsResponse>, Status> {
        nothing("ListAgents")
    }

    async fn delete_agent(&self, _: Request<DeleteAgentRequest>) -> Result<Response<()>, Status> {
        nothing("DeleteAgent")
    }

    async fn ban_agent(&self, _: Request<BanAgentRequest>) -> Result<Response<()>, Status> {
        nothing("BanAgent")
    }

    type AttestAgentStream = BoxStream<'static, Result<AttestAgentResponse, Status>>;

    async fn attest_agent(
        &self,
        _: Request<Streaming<AttestAgentRequest>>,
    ) -> Result<Response<Self::AttestAgentStream>, Status> {
        nothing("AttestAgent")
    }

    async fn renew_agent(
        &self,
        _: Request<RenewAgentRequest>,
    ) -> Result<Response<RenewAgentResponse>, Status> {
        nothing("RenewAgent")
    }

    async fn create_join_token(
        &self,
        _: Request<CreateJoinTokenRequest>,
    ) -> Result<Response<JoinToken>, Status> {
        nothing("CreateJoinToken")
    }

    async fn post_status(
        &self,
        _: Request<PostStatusRequest>,
    ) -> Result<Response<PostStatusResponse>, Status> {
        nothing("PostStatus")
    }
}
