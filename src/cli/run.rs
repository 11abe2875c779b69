//! `run`: the controller. The only place that knows all parts: they meet here, as ends of channels.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use registrar_core::config::Config;
use registrar_core::index;
use registrar_core::ledger::{Mode, Outcome};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Level, error, info, warn};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::{ConfigFile, Usage};
use crate::components::compile::Compiler;
use crate::components::source::Sources;
use crate::components::{Runtime, host};
use crate::eks::Eks;
use crate::metrics::Metrics;
use crate::pulse::Pulse;
use crate::spire::{Server, Spire};
use crate::{
    admin, admission, aside, clusters, events, leader, management, page, questions, registrar, status, sync,
};

/// Changes on their way to the index. A full queue makes connections wait, which loses nothing.
const CHANGES: usize = 16_384;
/// Deltas on their way to the writer: a few bursts, so that the index can go on while the writer writes.
const DELTAS: usize = 64;
/// How long the writers may take to finish the call that they are in.
const GRACE: Duration = Duration::from_secs(25);

/// Arguments of `run`.
#[derive(clap::Args)]
#[command(after_help = "Example:
  spire-eks-workload-registrar run --config /etc/registrar/config.yaml --log-format json")]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    /// What is logged: error, warn, info, debug or trace; or a filter such as `info,spire_eks_workload_registrar::sync=debug`.
    #[arg(long, value_name = "FILTER", default_value = "info", env = "LOG_LEVEL")]
    log_level: String,
    /// How a log line looks.
    #[arg(long, value_name = "FORMAT", default_value = "text", env = "LOG_FORMAT")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Usage> {
    let config = arguments.config.read()?;
    let filter = EnvFilter::try_new(&arguments.log_level)
        .map_err(|error| Usage(vec![format!("--log-level {:?}: {error}", arguments.log_level)]))?;
    let filter = filter.and(filter_fn(|about| !shows_secrets(about.target(), *about.level())));
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match arguments.log_format {
        LogFormat::Text => {
            let log = log.with_ansi(false).with_target(false).with_filter(filter);
            tracing_subscriber::registry().with(log).init();
        }
        LogFormat::Json => {
            let log = log.json().flatten_event(true).with_current_span(false).with_filter(filter);
            tracing_subscriber::registry().with(log).init();
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(aside::THREADS)
        .enable_all()
        .build()
        .map_err(|error| Usage(vec![format!("cannot start the runtime: {error}")]))?;
    runtime.block_on(control(config))
}

/// Libraries that sign, or send what was signed, show it when they are asked for their details: they never are, whatever
/// the filter says.
fn shows_secrets(target: &str, level: Level) -> bool {
    let library = target.split("::").next().unwrap_or_default();
    let signs = library.starts_with("aws_") || matches!(library, "h2" | "hyper" | "hyper_util" | "rustls");
    signs && level > Level::INFO
}

/// What one long-lived task ended with.
type Ended = (&'static str, Result<(), String>);

async fn control(config: Config) -> Result<ExitCode, Usage> {
    let usage = |error: String| Usage(vec![error]);
    let settings = index::Settings::of(&config);
    let spire = Spire::new(&Server::of(&config)).map_err(|error| usage(error.to_string()))?;
    let metrics = Metrics::new().map_err(|error| usage(format!("metrics: {error}")))?;
    let client = kube::Client::try_default().await.map_err(|error| {
        usage(format!("cannot find the management cluster (KUBECONFIG, or in a pod): {error}"))
    })?;
    info!(
        version = env!("CARGO_PKG_VERSION"),
        trustDomain = config.trust_domain.as_str(),
        managementCluster = config.cluster_name,
        "starting"
    );
    let eks = Arc::new(Eks::new(config.aws).await);

    let (changes, changes_in) = mpsc::channel(CHANGES);
    let (deltas, deltas_in) = mpsc::channel(DELTAS);
    let (outcomes, outcomes_in) = watch::channel(Arc::new(Outcome::default()));
    let (sessions, sessions_in) = watch::channel(Arc::default());
    let (demand, demand_in) = watch::channel(Arc::default());
    let (plugins, plugins_in) = watch::channel(Arc::default());
    let (asking, asking_in) = mpsc::unbounded_channel();
    let (reports, reports_in) = watch::channel(Arc::default());
    let (leading, leading_in) = watch::channel(None);
    let (reconciled, reconciled_in) = watch::channel(0);
    let (answers, answers_in) = watch::channel(false);
    let (missing, missing_in) = watch::channel(vec!["eksclusterregistries", "workloadidentities"]);
    let (index_asker, index_questions) = questions::channel();
    let (ledger_asker, ledger_questions) = questions::channel();
    let (index_pulse, writer_pulse) = (Pulse::new("index"), Pulse::new("writer"));

    // The lease is given back after the last write, never before.
    let (work, lease) = (CancellationToken::new(), CancellationToken::new());
    let mut tasks: JoinSet<Ended> = JoinSet::new();
    let mut holder: JoinSet<Ended> = JoinSet::new();
    let me = format!("{}_{:016x}", host_name(), rand::random::<u64>());

    // Who only observes runs beside another that writes: it needs no lease and tells nothing on objects.
    let observes = config.mode == Mode::Observe;
    let mut election = config.leader_election;
    let namespace = election.resource_namespace.clone();
    election.leader_elect &= !observes;
    let ends = leader::Ends { spire: answers_in, leading };
    let holding = leader::run(client.clone(), election, me.clone(), ends, lease.clone());
    named(&mut holder, "lease", holding);
    let management = management::run(client.clone(), changes.clone(), work.clone());
    named(&mut tasks, "watch of the management cluster", management);
    let ends = host::Ends { wanted: plugins_in, asking: asking_in, changes: changes.clone() };
    // A worker each, and one more for a component that is described or whose configuration is checked.
    let runtime = Runtime::new(&config.guardrails.plugins.ceilings, config.plugins.workers.saturating_add(1))
        .map_err(|error| usage(format!("plugins: {error}")))?;
    let allowed = &config.guardrails.plugins.allowed_sources;
    let sources = Sources::new(client.clone(), &config.plugins, allowed)
        .map_err(|error| usage(format!("plugins: the system's root certificates: {error}")))?;
    let compiler = Compiler::of_this_program(config.plugins.compile_time, config.plugins.compile_memory);
    let workers = config.plugins.workers;
    let host = host::run(runtime, workers, sources, compiler, ends, metrics.clone(), work.clone());
    named(&mut tasks, "plugins", host);
    let ends = clusters::Ends { sessions: sessions_in, demand: demand_in, changes };
    let at_once = usize::from(config.connecting_at_once);
    let connections = clusters::run(eks.clone(), at_once, ends, metrics.clone(), work.clone());
    named(&mut tasks, "connections to clusters", connections);
    let answering = admin::Answers {
        index: index_asker,
        ledger: ledger_asker,
        outcomes: outcomes_in.clone(),
        spire: spire.clone(),
    };
    if let Some(webhook) = config.webhook {
        let served = admission::run(
            client.clone(),
            webhook,
            namespace,
            settings.clone(),
            reports_in.clone(),
            answering.clone(),
            work.clone(),
        );
        tasks.spawn(async move { ("admission webhook", served.await.map_err(|error| error.to_string())) });
    }
    let served =
        admin::metrics(config.metrics_bind_address, metrics.clone(), outcomes_in.clone(), work.clone());
    tasks.spawn(async move { ("metrics", served.await.map_err(|error| error.to_string())) });
    let mut records = None;
    let page = if config.admin.page {
        let (records_told, records_in) = watch::channel(VecDeque::default());
        let (samples, samples_in) = watch::channel(Arc::default());
        records = Some(records_told);
        named(&mut tasks, "the page's samples", page::sample(metrics.clone(), samples, work.clone()));
        Some(page::Page {
            answers: answering.clone(),
            reports: reports_in.clone(),
            leading: leading_in.clone(),
            records: records_in,
            samples: samples_in,
            metrics: metrics.clone(),
            mode: config.mode,
            trust_domain: config.trust_domain.to_string(),
            address: config.admin.bind_address.clone(),
        })
    } else {
        None
    };
    let served = admin::answers(config.admin.bind_address, answering, page, work.clone());
    tasks.spawn(async move { ("admin", served.await.map_err(|error| error.to_string())) });
    let ends = registrar::Ends {
        changes: changes_in,
        deltas,
        outcomes: outcomes_in,
        sessions,
        demand,
        plugins,
        asking,
        reports,
        questions: index_questions,
        missing,
    };
    let index = registrar::run(
        settings,
        config.sync_period,
        ends,
        metrics.clone(),
        index_pulse.clone(),
        work.clone(),
    );
    named(&mut tasks, "index", index);
    let settings = sync::Settings {
        entry_id_prefix: config.entry_id_prefix,
        gc_interval: config.gc_interval,
        mode: config.mode,
        budgets: config.brake,
        updates_per_second: config.updates_per_second,
        adopt: config.adopt,
    };
    let ends = sync::Ends {
        deltas: deltas_in,
        outcomes,
        leading: leading_in.clone(),
        answers,
        questions: ledger_questions,
        reconciled,
        records,
    };
    let writer = sync::run(spire, settings, ends, metrics, writer_pulse.clone(), work.clone());
    named(&mut tasks, "writer", writer);
    if !observes {
        let (events, events_in) = mpsc::channel(events::WAITING);
        let ends = events::Ends { events: events_in, leading: leading_in.clone() };
        named(&mut tasks, "Events", events::run(client.clone(), me, ends, work.clone()));
        let ends =
            status::Ends { reports: reports_in, reconciled: reconciled_in, leading: leading_in, events };
        named(&mut tasks, "status", status::run(client, ends, work.clone()));
    }
    let served = admin::health(config.health, missing_in, vec![index_pulse, writer_pulse], work.clone());
    tasks.spawn(async move { ("health", served.await.map_err(|error| error.to_string())) });
    // Not a task that has to go on: it tells once.
    let mut once = JoinSet::new();
    once.spawn(async move { eks.tell_identity().await });

    let code = wait(&mut tasks, &mut holder)
        .await
        .map_err(|error| usage(format!("cannot wait for signals: {error}")))?;
    work.cancel();
    let rest = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, rest).await.is_err() {
        warn!("not everything ended in time; the lease is left to run out");
        return Ok(ExitCode::FAILURE);
    }
    lease.cancel();
    let given_back = async { while holder.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, given_back).await.is_err() {
        warn!("the lease could not be given back in time; it runs out");
    }
    info!("stopped");
    Ok(code)
}

/// Waits for a signal, or for the first task to end, which is a defect and ends the process.
async fn wait(tasks: &mut JoinSet<Ended>, holder: &mut JoinSet<Ended>) -> std::io::Result<ExitCode> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let ended = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        ended = tasks.join_next() => ended,
        ended = holder.join_next() => ended,
    };
    let (name, problem) = match ended {
        None => {
            info!("asked to stop: finishing what is being written");
            return Ok(ExitCode::SUCCESS);
        }
        Some(Ok((name, Ok(())))) => (name, "it ended by itself".to_owned()),
        Some(Ok((name, Err(error)))) => (name, error),
        Some(Err(error)) => ("a task", error.to_string()),
    };
    error!(task = name, problem, "a part of the registrar ended, so all of it does");
    Ok(ExitCode::FAILURE)
}

fn named(tasks: &mut JoinSet<Ended>, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    tasks.spawn(async move {
        task.await;
        (name, Ok(()))
    });
}

/// The pod's name in Kubernetes.
fn host_name() -> String {
    let name = std::env::var("HOSTNAME").ok().or_else(|| std::fs::read_to_string("/etc/hostname").ok());
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| "registrar".to_owned())
}
