//! What the process spends: CPU of this thread, memory.

use rustix::time::{ClockId, clock_gettime};

/// CPU of this thread since a moment.
pub struct Spent(f64);

fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

impl Spent {
    pub fn begin() -> Self {
        Self(cpu())
    }

    pub fn seconds(&self) -> f64 {
        cpu() - self.0
    }
}

fn status(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(f64::NAN) * 1024.0
}

/// Bytes resident now.
pub fn resident() -> f64 {
    status("VmRSS")
}

/// Bytes resident at most so far.
pub fn peak() -> f64 {
    status("VmHWM")
}

/// The value that so many of a hundred are not above.
pub fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values
        .get((values.len() * percent / 100).min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}
