//! All limits: what an engine may hold, and in [`confine`] what one call may use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use registrar_core::plugin::Limits;
use rustix::time::{ClockId, clock_gettime};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolConcurrencyLimitError, PoolingAllocationConfig,
    ResourceLimiter, Store, Trap, UpdateDeadline,
};

use super::{Stop, Used};

/// Instructions that a millisecond of computing stands for. A machine of today does somewhat more in one.
const FUEL_PER_MILLISECOND: u64 = 10_000_000;
/// How often the clock ticks while calls run.
const TICK: Duration = Duration::from_millis(10);
/// CPU time is the backstop for what costs much and counts little, such as filling memory: a call has so many times its
/// computing time of it, and at least this long.
const PATIENCE: u32 = 10;
const LEAST_CPU_TIME: Duration = Duration::from_millis(500);
/// Stack of WebAssembly code; the threads that call have more.
const STACK: usize = 512 << 10;
/// Elements of one table, all of which are pointers.
const TABLE_ELEMENTS: usize = 64 << 10;
/// Core instances, memories and tables of one component: interpreters are made of several modules.
const CORE_INSTANCES: u16 = 40;
const MEMORIES: u16 = 4;
const TABLES: u16 = 16;
/// What stays resident between calls, so that a fresh instance costs no page faults.
const RESIDENT_MEMORY: usize = 2 << 20;
const RESIDENT_TABLE: usize = 128 << 10;

/// How code is compiled and run. Replicas have to agree, so nothing in it may depend on the machine's mood.
pub(super) fn config() -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .max_wasm_stack(STACK)
        .wasm_backtrace_max_frames(None);
    config
}

/// An engine with memory for so many calls at a time.
pub(super) fn engine(ceilings: &Limits, at_once: u16) -> wasmtime::Result<Engine> {
    let of = |each: u16| u32::from(at_once) * u32::from(each);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(of(1))
        .total_core_instances(of(CORE_INSTANCES))
        .total_memories(of(MEMORIES))
        .total_tables(of(TABLES))
        .max_core_instances_per_component(CORE_INSTANCES.into())
        .max_memories_per_component(MEMORIES.into())
        .max_tables_per_component(TABLES.into())
        .max_tables_per_module(TABLES.into())
        .max_memories_per_module(MEMORIES.into())
        .max_memory_size(usize::try_from(ceilings.memory).unwrap_or(usize::MAX))
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(RESIDENT_MEMORY)
        .table_keep_resident(RESIDENT_TABLE)
        .pagemap_scan(Enabled::Auto);
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// What one call holds, watched by the limiter.
pub(super) struct Confined {
    memory: usize,
    most_memory: usize,
    tables: usize,
    /// The thread's CPU time when the clock first came by.
    cpu_time: Option<Duration>,
}

/// A store for one call: every limit of a call is set here and nowhere else.
pub(super) fn confine(engine: &Engine, limits: &Limits) -> Store<Confined> {
    let most_memory = usize::try_from(limits.memory).unwrap_or(usize::MAX);
    let mut store = Store::new(engine, Confined { memory: 0, most_memory, tables: 0, cpu_time: None });
    store.limiter(|confined| confined);
    // An error says that the engine counts none, which `config` rules out.
    let _ = store.set_fuel(fuel(limits));
    let most = cpu_time(limits);
    store.set_epoch_deadline(ticks(most));
    // On a busy machine much real time passes in which a call does nothing: only what it used itself is held against it.
    // It is looked at for the first time after as much real time, so that ordinary calls do not pay for it.
    store.epoch_deadline_callback(move |mut store| {
        let confined = store.data_mut();
        let now = thread_cpu_time();
        let used = now.saturating_sub(*confined.cpu_time.get_or_insert(now));
        if used >= most {
            Err(Trap::Interrupt.into())
        } else {
            Ok(UpdateDeadline::Continue(ticks(most - used)))
        }
    });
    store.set_hostcall_fuel(usize::try_from(limits.output).unwrap_or(usize::MAX));
    store
}

/// A store for one call without any limit but those that the code is compiled with: what a call is measured against.
#[cfg(test)]
pub(super) fn unconfined(engine: &Engine) -> Store<Confined> {
    let mut store = Store::new(engine, Confined { memory: 0, most_memory: 0, tables: 0, cpu_time: None });
    store.set_fuel(u64::MAX).unwrap();
    store.set_epoch_deadline(u64::MAX / 2);
    store
}

fn fuel(limits: &Limits) -> u64 {
    u64::try_from(limits.time.as_millis()).unwrap_or(u64::MAX).saturating_mul(FUEL_PER_MILLISECOND)
}

fn cpu_time(limits: &Limits) -> Duration {
    limits.time.saturating_mul(PATIENCE).max(LEAST_CPU_TIME)
}

/// How often the clock ticks in this time, at least once.
fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

fn thread_cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

/// What the call in this store used.
pub(super) fn used(store: &Store<Confined>, limits: &Limits, time: Duration) -> Used {
    let left = store.get_fuel().unwrap_or_default();
    Used { fuel: fuel(limits).saturating_sub(left), time, memory: store.data().memory as u64 }
}

/// The limit that ended a call, or what else did.
pub(super) fn stop(error: &wasmtime::Error, limits: &Limits) -> Stop {
    if let Some(Beyond { what, wanted, limit }) = error.downcast_ref::<Beyond>() {
        let (wanted, limit) = (*wanted as u64, *limit as u64);
        return match what {
            What::Memory => Stop::Memory { wanted, limit },
            What::Table => Stop::Table { wanted, limit },
        };
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Stop::Busy;
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Stop::Fuel(limits.time),
        Some(Trap::Interrupt) => Stop::Time(cpu_time(limits)),
        Some(Trap::StackOverflow) => Stop::Stack(STACK),
        Some(trap) => Stop::Trap(trap.to_string()),
        // What is left went wrong between the component and the host, while its result was read.
        None => match format!("{error:#}") {
            text if text.contains("fuel allocated for hostcalls") => Stop::Output(limits.output),
            text => Stop::Malformed(text),
        },
    }
}

#[derive(Debug, Clone, Copy)]
enum What {
    Memory,
    Table,
}

#[derive(Debug, thiserror::Error)]
#[error("wanted {wanted} of {limit}")]
struct Beyond {
    what: What,
    wanted: usize,
    limit: usize,
}

/// Growth beyond a limit is an error and not a refusal that the component could go on from: the author is told, and the
/// outcome depends on nothing else.
impl ResourceLimiter for Confined {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.memory.saturating_add(desired.saturating_sub(current));
        if wanted > self.most_memory {
            return Err(Beyond { what: What::Memory, wanted, limit: self.most_memory }.into());
        }
        self.memory = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.tables.saturating_add(desired.saturating_sub(current));
        if wanted > TABLE_ELEMENTS {
            return Err(Beyond { what: What::Table, wanted, limit: TABLE_ELEMENTS }.into());
        }
        self.tables = wanted;
        Ok(true)
    }
}

/// Moves the engine's epoch on while calls run, and rests while none does.
#[derive(Debug)]
pub(super) struct Clock {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    running: AtomicUsize,
    is_resting: AtomicBool,
    is_over: AtomicBool,
}

/// A call that runs; while there is one, the clock ticks.
pub(super) struct Running<'a>(&'a Shared);

impl Clock {
    pub(super) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (watched, engine) = (shared.clone(), engine.clone());
        let thread = thread::Builder::new().name("plugin clock".to_owned()).spawn(move || {
            while !watched.is_over.load(Ordering::SeqCst) {
                if watched.running.load(Ordering::SeqCst) > 0 {
                    thread::sleep(TICK);
                    engine.increment_epoch();
                    continue;
                }
                watched.is_resting.store(true, Ordering::SeqCst);
                // Whoever began since would not know that there is somebody to wake.
                if watched.running.load(Ordering::SeqCst) == 0 && !watched.is_over.load(Ordering::SeqCst) {
                    thread::park();
                }
                watched.is_resting.store(false, Ordering::SeqCst);
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(super) fn run(&self) -> Running<'_> {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        self.wake();
        Running(&self.shared)
    }

    fn wake(&self) {
        if self.shared.is_resting.load(Ordering::SeqCst)
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // An error says that it panicked, which it cannot.
            let _ = thread.join();
        }
    }
}
