//! Listening sockets whose connections can be cut, refused or made silent, whatever is spoken over them.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;

/// A body of an answer: whole, or a stream that goes on.
pub(crate) type Body = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// What answers requests.
pub(crate) type Service = Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// A body that is known as a whole.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// What becomes of bytes and connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// All is well.
    Open,
    /// New connections are accepted; no byte goes in or out anywhere.
    Silent,
    /// New connections are closed at once.
    Refusing,
    /// A byte a second is all that comes out.
    Trickling,
}

#[derive(Debug, Clone, Copy)]
struct State {
    mode: Mode,
    /// A connection lives no longer than the epoch it was made in.
    epoch: u64,
}

/// A listening socket. Dropping it ends the listening and every connection.
pub(crate) struct Listening {
    state: watch::Sender<State>,
    tls: watch::Sender<Option<TlsAcceptor>>,
    _tasks: JoinSet<()>,
}

impl Listening {
    /// Serves HTTP/1.1 and HTTP/2 at a free port of 127.0.0.1.
    pub(crate) async fn at_loopback(tls: Option<TlsAcceptor>, service: Service) -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port of 127.0.0.1");
        let address = listener.local_addr().expect("the bound address");
        (Self::over(Listener::Tcp(listener), tls, service), address)
    }

    /// Serves at a unix socket, in place of whatever file is at that path.
    pub(crate) fn at_path(path: &Path, service: Service) -> Self {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("{}: {error}", path.display()),
            _ => {}
        }
        let listener = UnixListener::bind(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::over(Listener::Unix(listener), None, service)
    }

    fn over(listener: Listener, tls: Option<TlsAcceptor>, service: Service) -> Self {
        let state = watch::Sender::new(State { mode: Mode::Open, epoch: 0 });
        let mut tasks = JoinSet::new();
        let tls = watch::Sender::new(tls);
        tasks.spawn(accept(listener, tls.subscribe(), service, state.clone()));
        Self { state, tls, _tasks: tasks }
    }

    /// From now on no byte goes in or out, on connections new and old.
    pub(crate) fn go_silent(&self) {
        self.state.send_modify(|state| state.mode = Mode::Silent);
    }

    /// Cuts all connections and closes new ones at once.
    pub(crate) fn refuse(&self) {
        self.state.send_modify(|state| *state = State { mode: Mode::Refusing, epoch: state.epoch + 1 });
    }

    /// From now on a byte a second is all that comes out of each connection.
    pub(crate) fn trickle(&self) {
        self.state.send_modify(|state| state.mode = Mode::Trickling);
    }

    /// New connections are accepted with this from now on; those that are there go on.
    pub(crate) fn accept_with(&self, tls: TlsAcceptor) {
        self.tls.send_replace(Some(tls));
    }

    /// Ends silence or refusal. Connections that were silent go on, as they do when a network is mended.
    pub(crate) fn come_back(&self) {
        self.state.send_modify(|state| state.mode = Mode::Open);
    }

    /// A handle for those who have to cut connections from inside an answer.
    pub(crate) fn cutter(&self) -> Cutter {
        Cutter(self.state.clone())
    }
}

/// Cuts the connections of a [`Listening`].
#[derive(Clone)]
pub(crate) struct Cutter(watch::Sender<State>);

impl Cutter {
    /// Cuts every connection that is open now.
    pub(crate) fn cut(&self) {
        self.0.send_modify(|state| state.epoch += 1);
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Listener {
    async fn accept(&self) -> io::Result<Box<dyn Io>> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

async fn accept(
    listener: Listener,
    tls: watch::Receiver<Option<TlsAcceptor>>,
    service: Service,
    state: watch::Sender<State>,
) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // A connection that was reset before it was accepted is not the listener's end.
        let Ok(stream) = listener.accept().await else { continue };
        let now = *state.borrow();
        if now.mode == Mode::Refusing {
            continue;
        }
        let gate = Gate { stream, mode: now.mode, changes: WatchStream::new(state.subscribe()), pause: None };
        let mut states = state.subscribe();
        let (tls, service) = (tls.borrow().clone(), service.clone());
        connections.spawn(async move {
            let cut = states.wait_for(|state| state.epoch != now.epoch);
            tokio::select! {
                _ = cut => {}
                () = converse(gate, tls, service) => {}
            }
        });
    }
}

async fn converse(gate: Gate, tls: Option<TlsAcceptor>, service: Service) {
    let service = service_fn(move |request| {
        let answer = service(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    // How a connection ends is the client's matter; a test sees it there.
    match tls {
        None => drop(builder.serve_connection(TokioIo::new(gate), service).await),
        Some(tls) => {
            if let Ok(stream) = tls.accept(gate).await {
                drop(builder.serve_connection(TokioIo::new(stream), service).await);
            }
        }
    }
}

/// A stream on which nothing moves while the mode is [`Mode::Silent`].
struct Gate {
    stream: Box<dyn Io>,
    mode: Mode,
    changes: WatchStream<State>,
    /// Until the next byte may come out.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Gate {
    /// Pending while silent; the task is woken when the mode changes. One task polls both directions.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(Some(state)) = Pin::new(&mut self.changes).poll_next(cx) {
            self.mode = state.mode;
        }
        if self.mode == Mode::Silent { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl AsyncRead for Gate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_open(cx));
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Gate {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_open(cx));
        if self.mode != Mode::Trickling {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        }
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(cx));
        }
        let one = bytes.get(..1).unwrap_or_default();
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(cx, one));
        self.pause = Some(Box::pin(tokio::time::sleep(Duration::from_secs(1))));
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_open(cx));
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_open(cx));
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
