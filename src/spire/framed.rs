//! Each message to SPIRE in one frame that also ends its stream.

use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tonic::body::Body;
use tonic::codegen::StdError;
use tonic::transport::Channel;
use tower::Service;

/// A channel whose calls send one message each. By itself it sends the end of a message in a frame of its own, for which both
/// sides wake once more: it cannot know that nothing follows.
#[derive(Debug, Clone)]
pub(super) struct Framed(pub(super) Channel);

impl Service<Request<Body>> for Framed {
    type Response = Response<Body>;
    type Error = StdError;
    type Future = BoxFuture<'static, Result<Response<Body>, StdError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        self.0.poll_ready(context).map_err(StdError::from)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The one that is ready is used, and a clone waits for its own turn.
        let clone = self.0.clone();
        let mut channel = std::mem::replace(&mut self.0, clone);
        async move {
            let (head, body) = request.into_parts();
            let body = Full::new(body.collect().await?.to_bytes());
            Ok(channel.call(Request::from_parts(head, Body::new(body))).await?)
        }
        .boxed()
    }
}
