//! From bytes to native code. The controller compiles in a child process of the same program, whose memory and time are
//! limited, and never loads code that did not come from there in this run.
#![allow(unsafe_code, reason = "native code is loaded, which wasmtime can only take on trust: see `Native`")]

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::{ComponentError, inspect, limits};

/// Native code is larger than the component, and no larger than this.
const MOST_NATIVE: u64 = 1 << 30;
/// The child's exit status where it tells on its standard output why it does not compile.
const REFUSED: u8 = 3;

/// Native code that this process, or a child of it, compiled in this run. Only this module makes one.
#[derive(Clone)]
pub struct Native(Vec<u8>);

impl std::fmt::Debug for Native {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Native({} bytes)", self.0.len())
    }
}

impl Native {
    pub(super) fn load(&self, engine: &Engine) -> Result<Component, ComponentError> {
        // SAFETY: the bytes are what `Engine::precompile_component` gave, here or in a child that runs this same program,
        // which handed them over by a pipe that nobody else holds; nothing of it was ever in a file.
        let component = unsafe { Component::deserialize(engine, &self.0) };
        component.map_err(|error| ComponentError::NotLoaded(format!("{error:#}")))
    }
}

/// Checks and compiles in this process, without limits: for commands, whose user can end them, and for the child.
pub fn here(bytes: &[u8]) -> Result<Native, ComponentError> {
    inspect(bytes)?.check()?;
    let failed = |error: wasmtime::Error| ComponentError::NotCompiled(format!("{error:#}"));
    // How instances are allocated says nothing in the code, so no pool has to be made for this.
    let engine = Engine::new(&limits::config()).map_err(failed)?;
    // What the parser let pass and the compiler does not is not valid either.
    engine
        .precompile_component(bytes)
        .map(Native)
        .map_err(|error| ComponentError::Invalid(format!("{error:#}")))
}

/// The child that compiles, and what it may use.
#[derive(Debug, Clone)]
pub struct Compiler {
    /// This same program.
    pub program: PathBuf,
    /// How long one component may take.
    pub time: Duration,
    /// How much address space the child may have.
    pub memory: u64,
}

/// Arguments of the hidden command that the child runs: a component on standard input, native code on standard output.
#[derive(clap::Args)]
pub struct Arguments {
    /// Seconds of CPU time.
    #[arg(long)]
    seconds: u64,
    /// Bytes of address space.
    #[arg(long)]
    memory: u64,
}

impl Compiler {
    /// The program that runs now, as it was when it was started.
    pub fn of_this_program(time: Duration, memory: u64) -> Self {
        Self { program: PathBuf::from("/proc/self/exe"), time, memory }
    }

    /// Checks and compiles in a child.
    pub async fn compile(&self, bytes: &[u8]) -> Result<Native, ComponentError> {
        let broken = |what: &str, error: io::Error| ComponentError::NotCompiled(format!("{what}: {error}"));
        let mut child = Command::new(&self.program)
            .arg("compile-component")
            .args(["--seconds", &self.time.as_secs().max(1).to_string()])
            .args(["--memory", &self.memory.to_string()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| broken("the compiler cannot be started", error))?;
        let (Some(mut to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ComponentError::NotCompiled("the compiler has no pipes".to_owned()));
        };
        let mut output = Vec::new();
        let exchange = async {
            let write = async {
                // The child may end before it has read everything, which its exit status tells better.
                let _ = to.write_all(bytes).await;
                drop(to);
            };
            let mut from = from.take(MOST_NATIVE);
            let (_, read) = tokio::join!(write, from.read_to_end(&mut output));
            read?;
            child.wait().await
        };
        let status = match tokio::time::timeout(self.time, exchange).await {
            Ok(status) => status.map_err(|error| broken("the compiler was lost", error))?,
            Err(_) => {
                let time = self.time;
                return Err(ComponentError::NotCompiled(format!(
                    "not within {time:?} (plugins.compileTime)"
                )));
            }
        };
        match status.code() {
            Some(0) => Ok(Native(output)),
            Some(code) if code == i32::from(REFUSED) => Err(serde_json::from_slice(&output)
                .unwrap_or_else(|_| ComponentError::NotCompiled("the compiler refused it".to_owned()))),
            _ => Err(ComponentError::NotCompiled(format!(
                "the compiler ended by {status}, most likely beyond {} bytes of memory (plugins.compileMemory)",
                self.memory
            ))),
        }
    }
}

/// The child's whole life.
pub fn run(arguments: &Arguments) -> ExitCode {
    let to = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    let limits = [
        (Resource::As, arguments.memory),
        (Resource::Cpu, arguments.seconds.saturating_mul(u64::from(cores()))),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
    ];
    for (resource, most) in limits {
        if setrlimit(resource, to(most)).is_err() {
            return ExitCode::FAILURE;
        }
    }
    let mut bytes = Vec::new();
    if io::stdin().lock().read_to_end(&mut bytes).is_err() {
        return ExitCode::FAILURE;
    }
    let (output, code) = match here(&bytes) {
        Ok(native) => (native.0, ExitCode::SUCCESS),
        Err(error) => (serde_json::to_vec(&error).unwrap_or_default(), ExitCode::from(REFUSED)),
    };
    let mut out = io::stdout().lock();
    match out.write_all(&output).and_then(|()| out.flush()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

/// CPU time is that of all threads together.
fn cores() -> u32 {
    std::thread::available_parallelism().ok().and_then(|it| u32::try_from(it.get()).ok()).unwrap_or(1)
}
