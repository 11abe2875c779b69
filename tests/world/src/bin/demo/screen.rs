//! What the demo shows: live lines in colour on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant};

/// How often a live line is drawn anew.
const FRAME: Duration = Duration::from_millis(80);
const SPINNER: [char; 4] = ['◐', '◓', '◑', '◒'];

/// The screen, and how many of its checks failed.
pub struct Screen {
    is_live: bool,
    failed: usize,
    checks: usize,
}

impl Screen {
    /// Colours and live lines where standard output is a terminal and `NO_COLOR` is not set.
    pub fn new() -> Self {
        let is_live = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { is_live, failed: 0, checks: 0 }
    }

    /// A heading.
    pub fn chapter(&self, title: &str) {
        println!("\n{}", self.paint("1", title));
    }

    /// A line of explanation.
    pub fn say(&self, text: &str) {
        println!("  {}", self.paint("2", text));
    }

    /// Waits for `until` and shows meanwhile how far it is; the time that it took.
    pub async fn wait(
        &self,
        what: &str,
        until: impl Future<Output = ()>,
        progress: impl Fn() -> String,
    ) -> Duration {
        let started = Instant::now();
        let mut until = std::pin::pin!(until);
        let mut frames = tokio::time::interval(FRAME);
        for frame in 0.. {
            tokio::select! {
                biased;
                () = &mut until => break,
                _ = frames.tick() => {
                    if self.is_live {
                        let spinner = SPINNER[frame % SPINNER.len()];
                        print!("\r\x1b[2K  {} {what}  {}", self.paint("36", &spinner.to_string()), self.paint("2", &progress()));
                        self.flush();
                    }
                }
            }
        }
        if self.is_live {
            print!("\r\x1b[2K");
            self.flush();
        }
        started.elapsed()
    }

    /// Shows whether something is as it should be, and counts it.
    pub fn check(&mut self, holds: bool, text: &str) {
        self.checks += 1;
        if holds {
            println!("  {} {text}", self.paint("32", "✓"));
        } else {
            self.failed += 1;
            println!("  {} {text}", self.paint("31", "✗ not as it should be:"));
        }
    }

    /// A table of names and values.
    pub fn table(&self, rows: &[(&str, String)]) {
        let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in rows {
            println!("  {}  {value}", self.paint("2", &format!("{name:width$}")));
        }
    }

    /// The last line; whether everything was as it should be.
    pub fn verdict(&self) -> bool {
        let (checks, failed) = (self.checks, self.failed);
        let text = format!("{} of {checks} checks passed", checks - failed);
        println!("\n{}", self.paint(if failed == 0 { "1;32" } else { "1;31" }, &text));
        failed == 0
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.is_live { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn flush(&self) {
        // A screen that cannot be written to is nobody's loss.
        let _ = stdout().flush();
    }
}
