//! A program as a process of its own, whose log is read line by line, which never logs a secret, and which ends with its
//! handle.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::time::clock_getcpuclockid;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::secrets;
use crate::until::until;

/// CPU that a running process has used so far, to the nanosecond, with that of its threads that have ended.
pub fn cpu(pid: u32) -> Duration {
    let pid = pid.try_into().expect("a process id");
    let clock = clock_getcpuclockid(nix::unistd::Pid::from_raw(pid)).expect("the process runs");
    clock.now().expect("the clock of a process that runs").into()
}

/// A running program. Dropping it kills it, and panics where it has logged what nobody may see.
pub struct Process {
    child: Child,
    pid: Option<Pid>,
    log: Arc<Log>,
    readers: Vec<JoinHandle<()>>,
}

struct Log {
    lines: Mutex<Vec<String>>,
    /// Lines with what nobody may see.
    leaks: Mutex<Vec<String>>,
    beats: watch::Sender<u64>,
}

impl Process {
    /// Starts a command and reads what it writes, to both of its outputs.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let log =
            Arc::new(Log { lines: Mutex::default(), leaks: Mutex::default(), beats: watch::Sender::new(0) });
        let stdout = child.stdout.take().expect("a piped output").into_owned_fd();
        let stderr = child.stderr.take().expect("a piped output").into_owned_fd();
        // Threads: a program that waits until somebody reads what it logs does nothing else meanwhile, and a test's runtime
        // may have enough to do.
        let readers = [stdout, stderr].map(|output| {
            let (output, log) = (output.expect("a piped output"), log.clone());
            thread::spawn(move || read(File::from(output), &log))
        });
        let readers = readers.into();
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { child, pid, log, readers }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// All lines so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lines().clone()
    }

    /// How many lines so far contain a text.
    pub fn logged(&self, text: &str) -> usize {
        self.log.lines().iter().filter(|line| line.contains(text)).count()
    }

    /// Waits until a line contains a text, and returns it. Panics with the log when the time is over.
    pub async fn until_logged(&self, text: &str, timeout: Duration) -> String {
        let what = format!("a logged line that contains {text:?}");
        let found = || self.log.lines().iter().find(|line| line.contains(text)).cloned();
        until(&what, timeout, self.log.beats.subscribe(), || found().is_some(), || format!("{self:?}")).await;
        found().expect("a line that was just there")
    }

    /// Waits until the condition holds of all lines so far. Panics with the log when the time is over.
    pub async fn until_log(&self, what: &str, timeout: Duration, condition: impl Fn(&[String]) -> bool) {
        let holds = || condition(&self.log.lines());
        until(what, timeout, self.log.beats.subscribe(), holds, || format!("{self:?}")).await;
    }

    /// Kills it without warning and waits for its end.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a process that can be killed");
        self.read_to_the_end().await;
    }

    /// Asks it to end, as the kubelet does. [`ended`](Self::ended) waits for that.
    pub fn terminate(&self) {
        // Not by a number of a process that was waited for already: that may be another's by now.
        if let Some(pid) = self.pid.filter(|_| self.child.id().is_some()) {
            kill_process(pid, Signal::TERM).expect("a process that can be told to end");
        }
    }

    /// Waits for its end and for the end of its log. Panics with the log when the time is over.
    pub async fn ended(&mut self, timeout: Duration) -> ExitStatus {
        match tokio::time::timeout(timeout, self.child.wait()).await {
            Ok(status) => {
                let status = status.expect("a process that can be waited for");
                self.read_to_the_end().await;
                status
            }
            Err(_) => panic!("in {timeout:?} the process did not end. {self:?}"),
        }
    }

    async fn read_to_the_end(&mut self) {
        let readers = std::mem::take(&mut self.readers);
        let ended = tokio::task::spawn_blocking(|| readers.into_iter().all(|reader| reader.join().is_ok()));
        assert!(ended.await.expect("a thread that waits"), "the log could be read");
    }
}

impl Drop for Process {
    /// A test that fails shows what the program said last.
    fn drop(&mut self) {
        if thread::panicking() {
            let lines = self.log.lines();
            lines.iter().skip(lines.len().saturating_sub(30)).for_each(|line| eprintln!("  {line}"));
        } else if let Some(leak) = self.log.leaks().first() {
            panic!("the program logged a secret: {leak}");
        }
    }
}

impl Log {
    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leaks(&self) -> MutexGuard<'_, Vec<String>> {
        self.leaks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Process {:?} with this log:", self.child.id())?;
        self.log.lines().iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

fn read(output: File, log: &Log) {
    for line in BufReader::new(output).lines() {
        let Ok(line) = line else { return };
        if let Some(secret) = secrets::found(&line) {
            log.leaks().push(format!("{secret:?} in: {}", line.chars().take(300).collect::<String>()));
        }
        log.lines().push(line);
        log.beats.send_modify(|count| *count += 1);
    }
}
