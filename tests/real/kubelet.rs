//! Stands in for a node's kubelet: its read-only port, of which SPIRE's agent asks which pods run on the node.

use axum::Router;
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use kube::Client;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// Running until it is dropped.
pub struct Kubelet {
    /// Its port on 127.0.0.1.
    pub port: u16,
    _tasks: JoinSet<()>,
}

impl Kubelet {
    /// Answers with the pods that the API server says are bound to the node.
    pub fn start(runtime: &Handle, client: Client, node: &str) -> Self {
        let path = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}");
        let answer = move || {
            let request = Request::get(&path).body(Vec::new()).unwrap();
            let client = client.clone();
            async move {
                match client.request_text(request).await {
                    Ok(pods) => ([("content-type", "application/json")], pods).into_response(),
                    Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
                }
            }
        };
        let router = Router::new().route("/pods", get(answer.clone())).route("/pods/", get(answer));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn_on(async move { axum::serve(listener, router).await.unwrap() }, runtime);
        Self { port, _tasks: tasks }
    }
}
