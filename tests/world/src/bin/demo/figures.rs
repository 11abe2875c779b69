//! What the demo measures: latencies, and what the program costs the machine.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Median and longest of some durations, as text.
pub fn spread(durations: &[Duration]) -> String {
    let mut sorted = durations.to_vec();
    sorted.sort();
    match (sorted.get(sorted.len() / 2), sorted.last()) {
        (Some(median), Some(longest)) => {
            format!("{} median, {} longest of {}", millis(*median), millis(*longest), sorted.len())
        }
        _ => "none".to_owned(),
    }
}

/// A duration in milliseconds below a second, in seconds above.
pub fn millis(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{:.1} ms", duration.as_secs_f64() * 1e3)
    } else {
        format!("{:.2} s", duration.as_secs_f64())
    }
}

/// What a program says of itself at its metrics' address; none where it has no such line.
pub async fn metric(address: SocketAddr, name: &str) -> Option<f64> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\nhost: demo\r\n\r\n").await.ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    let line = text.lines().find(|line| !line.starts_with('#') && line.contains(name))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

/// What a process has used of the machine until now.
pub struct Usage {
    at: Instant,
    cpu: Duration,
    /// Resident memory, MiB.
    pub resident: f64,
}

impl Usage {
    /// Of the process with this id, from `/proc`.
    pub fn of(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = kilobytes.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        Self {
            at: Instant::now(),
            cpu: registrar_world::cpu(pid),
            resident: kilobytes.expect("VmRSS") / 1024.0,
        }
    }

    /// The share of one core that was used since an earlier moment, in percent.
    pub fn cpu_percent_since(&self, earlier: &Self) -> f64 {
        let used = self.cpu.saturating_sub(earlier.cpu);
        100.0 * used.as_secs_f64() / self.at.duration_since(earlier.at).as_secs_f64()
    }
}
