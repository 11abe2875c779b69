//! A process that we started and that ends with us, with its output in a file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// How much of a log is told when a test failed.
const TAIL_LINES: usize = 15;

/// A running process.
pub struct Child {
    name: String,
    process: process::Child,
    log: PathBuf,
}

/// A command whose process the kernel ends when ours ends, however it does.
pub fn program(path: impl AsRef<Path>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(path.as_ref());
    command
}

/// Runs a command to its end; its standard output. Fails the test with all that it said when it fails.
pub fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}{told}", output.status);
    said.into_owned()
}

impl Child {
    /// Starts it; what it says goes to `folder/name.log`, after what an earlier one of the name said.
    pub fn start(name: &str, command: &mut Command, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { name: name.to_owned(), process, log }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where what it says is.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Fails the test when the process has ended.
    pub fn assert_running(&mut self) {
        if let Some(status) = self.process.try_wait().unwrap() {
            panic!("{} ended: {status}\n{}", self.name, tail(&self.log));
        }
    }

    /// What it ended with, if it did by itself.
    pub fn ended(&mut self) -> Result<process::ExitStatus, String> {
        self.process.try_wait().unwrap().ok_or_else(|| "it runs".to_owned())
    }

    /// Ends it by SIGKILL.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Ends it by SIGTERM.
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = wait::until(&format!("{} to end", self.name), Duration::from_secs(40), || {
            self.process.try_wait().unwrap().ok_or_else(|| "it runs".to_owned())
        });
        assert!(status.success(), "{}: {status}\n{}", self.name, tail(&self.log));
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to be done.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Lines of the logs in a folder that have what nobody may see.
pub fn leaks(folder: &Path) -> Vec<String> {
    let mut leaks = Vec::new();
    for log in logs(folder) {
        let text = String::from_utf8_lossy(&std::fs::read(&log).unwrap()).into_owned();
        for (number, line) in text.lines().enumerate() {
            if let Some(secret) = registrar_world::secrets::found(line) {
                let begin: String = line.chars().take(200).collect();
                leaks.push(format!("{}:{}: {secret:?} in: {begin}", log.display(), number + 1));
            }
        }
    }
    leaks
}

fn logs(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut logs: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|it| it == "log")).collect();
    logs.sort();
    logs
}

/// The last lines of every log in a folder.
pub fn tails(folder: &Path) -> String {
    logs(folder).iter().map(|log| tail(log)).collect()
}

fn tail(log: &Path) -> String {
    let text =
        std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    format!("--- the last lines of {}\n{}\n", log.display(), lines[from..].join("\n"))
}
