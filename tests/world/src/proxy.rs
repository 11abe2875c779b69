//! An HTTP proxy that opens tunnels with CONNECT, and counts them.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A proxy. Dropping it ends it and every tunnel.
pub struct Proxy {
    address: SocketAddr,
    tunnels: watch::Sender<u64>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// One that opens tunnels to the names in `known`, each led to its address, and to any address of 127.0.0.1.
    pub async fn start(known: &[(&str, SocketAddr)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port of 127.0.0.1");
        let address = listener.local_addr().expect("the bound address");
        let tunnels = watch::Sender::new(0);
        let known: Vec<(String, SocketAddr)> =
            known.iter().map(|(name, address)| ((*name).to_owned(), *address)).collect();
        let mut tasks = JoinSet::new();
        let count = tunnels.clone();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (known, count) = (known.clone(), count.clone());
                open.spawn(async move { _ = tunnel(stream, known, count).await });
            }
        });
        Self { address, tunnels, _tasks: tasks }
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until a tunnel was opened. Panics when the time is over.
    pub async fn until_used(&self, timeout: Duration) {
        let mut tunnels = self.tunnels.subscribe();
        let used = tokio::time::timeout(timeout, tunnels.wait_for(|count| *count > 0)).await;
        assert!(used.is_ok(), "in {timeout:?} no tunnel was opened");
    }
}

/// How a tunnel ends is its client's matter; a test sees it there.
async fn tunnel(
    stream: TcpStream,
    known: Vec<(String, SocketAddr)>,
    count: watch::Sender<u64>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    loop {
        let before = request.len();
        stream.read_line(&mut request).await.ok().filter(|read| *read > 0)?;
        if request[before..].trim().is_empty() {
            break;
        }
    }
    let target = request.strip_prefix("CONNECT ")?.split(' ').next()?;
    let led = known.iter().find(|(name, _)| name == target).map(|(_, address)| *address);
    let address = led.or_else(|| target.parse().ok()).filter(|address| address.ip().is_loopback());
    let Some(address) = address else {
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await.ok()?;
        return None;
    };
    let mut server = TcpStream::connect(address).await.ok()?;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    count.send_modify(|count| *count += 1);
    tokio::io::copy_bidirectional(&mut stream, &mut server).await.ok()?;
    Some(())
}
