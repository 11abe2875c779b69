//! Every failure of a cluster at once, each in a cluster of its own beside ten that are well: what is told, how soon it is
//! noticed and mended, that nothing is lost, and that the ten notice nothing. Its table is docs/failure-modes.md.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use registrar_world::World;
use registrar_world::aws::Operation;
use registrar_world::kube::{Shown, Streams, Verb};
use registrar_world::objects;
use registrar_world::spire::WriteKind;
use serde_json::{Value, json};

use crate::fleet::{Fleet, condition, identity, pod, uid};

const REGISTRIES: &str = "eksclusterregistries";
const WELL: usize = 10;
/// How soon one pod of the well clusters may follow another.
const PROBE_PACE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(150);
/// What two clusters of a kind differ by on a machine that has other work.
const SLACK: Duration = Duration::from_millis(50);
const TABLE: &str = "docs/failure-modes.md";

/// What is done to the cluster of a name.
type Change = fn(&World, &str);

/// One failure.
struct Case {
    name: &'static str,
    /// What is told: the condition, its status and its reason; none where nothing need be told.
    told: Option<(&'static str, &'static str, &'static str)>,
    fail: Change,
    mend: Change,
    /// How the cluster takes a list by a watch.
    streams: Streams,
    /// How many pods it has that nobody wants, and that somebody does.
    pods: (usize, usize),
}

impl Case {
    /// In a cluster that lists in pages alone.
    const fn paged(self) -> Self {
        Self { streams: Streams::Refused, ..self }
    }

    /// In a cluster with a list of three pages.
    const fn long(self) -> Self {
        Self { pods: (1050, self.pods.1), ..self }
    }
}

/// What came of it.
struct Row {
    name: &'static str,
    told: Option<(&'static str, &'static str, &'static str)>,
    /// The registry's conditions at that time.
    shown: Value,
    noticed: Duration,
    mended: Duration,
}

const fn case(
    name: &'static str,
    told: Option<(&'static str, &'static str, &'static str)>,
    fail: Change,
    mend: Change,
) -> Case {
    Case { name, told, fail, mend, streams: Streams::Offered, pods: (0, 0) }
}

const fn unreachable(reason: &'static str) -> Option<(&'static str, &'static str, &'static str)> {
    Some(("ClusterReachable", "False", reason))
}

const fn unknown(reason: &'static str) -> Option<(&'static str, &'static str, &'static str)> {
    Some(("CredentialsValid", "False", reason))
}

/// What EKS says becomes another, and the connection breaks, so that EKS is asked.
fn eks(world: &World, name: &str, change: impl FnOnce(&mut registrar_world::aws::Cluster)) {
    let mut cluster = world.workload_cluster(name).eks.clone();
    change(&mut cluster);
    world.aws.put_cluster(cluster);
    world.cluster(name).refuse();
}

fn eks_mended(world: &World, name: &str) {
    world.aws.put_cluster(world.workload_cluster(name).eks.clone());
    world.cluster(name).come_back();
}

/// Everything is listed anew.
fn relist(world: &World, name: &str) {
    let line = json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}});
    for plural in ["pods", "nodes", "namespaces"] {
        world.cluster(name).say(plural, format!("{line}\n"));
    }
}

const THROTTLED: Change = |world, name| {
    world.cluster(name).retry_after(Some(2));
    world.cluster(name).fail_next(Verb::List, 1000, 429);
    relist(world, name);
};

const BROKEN_OFF: Change = |world, name| {
    world.cluster(name).fail_pages(1000, 503);
    relist(world, name);
};

const FORGOTTEN: Change = |world, name| {
    world.cluster(name).fail_pages(1, 410);
    relist(world, name);
};

const REPEATED: (Change, Change) = (
    |world, name| {
        world.cluster(name).repeat_pages(true);
        relist(world, name);
    },
    |world, name| world.cluster(name).repeat_pages(false),
);

const BLOATED: (Change, Change) = (
    |world, name| {
        world.cluster(name).bloat_lists(200 << 20);
        relist(world, name);
    },
    |world, name| world.cluster(name).bloat_lists(0),
);

/// Nodes too: what comes of it is not that pods wait for them, but that they are gone.
const EMPTIED: (Change, Change) = (
    |world, name| {
        world.cluster(name).empty_lists(true);
        relist(world, name);
    },
    |world, name| {
        world.cluster(name).empty_lists(false);
        relist(world, name);
    },
);

fn no_more(world: &World, name: &str) {
    world.cluster(name).fail_no_more();
}

fn role(world: &World, name: &str) -> String {
    world.workload_cluster(name).role.clone().unwrap()
}

const NOTHING: Change = |_, _| ();

/// How many pods the cluster has whose list is empty.
const MANY: usize = 200;

/// Whose conditions the document shows.
const SHOWN: [&str; 5] = [
    "connected, and silent before TLS",
    "401 on everything",
    "EKS does not know the cluster",
    "another kube-system: the cluster was rebuilt",
    BY_ROLE[0],
];

/// By role: registered when the failure begins.
const BY_ROLE: [&str; 2] = ["the role is missing", "STS refuses"];

const CASES: &[Case] = &[
    case(
        "the endpoint's name is not resolved",
        unreachable("NameNotResolved"),
        |world, name| eks(world, name, |it| it.endpoint = "https://nowhere.invalid".to_owned()),
        eks_mended,
    ),
    case(
        "connections are refused",
        unreachable("ConnectionRefused"),
        |world, name| eks(world, name, |it| it.endpoint = "https://127.0.0.1:1".to_owned()),
        eks_mended,
    ),
    case(
        "connections are closed at once",
        unreachable("ConnectionFailed"),
        |world, name| world.cluster(name).refuse(),
        |world, name| world.cluster(name).come_back(),
    ),
    case(
        "a half-open connection",
        unreachable("ConnectionFailed"),
        |world, name| world.cluster(name).go_silent(),
        |world, name| world.cluster(name).come_back(),
    ),
    case(
        "connected, and silent before TLS",
        unreachable("ConnectTimeout"),
        |world, name| world.cluster(name).go_silent(),
        |world, name| world.cluster(name).come_back(),
    ),
    case(
        "one byte a second",
        unreachable("ConnectTimeout"),
        |world, name| world.cluster(name).trickle(),
        |world, name| {
            world.cluster(name).come_back();
            world.cluster(name).show(Shown::Right);
        },
    ),
    case(
        "the certificate is of another authority",
        unreachable("CertificateNotTrusted"),
        |world, name| world.cluster(name).show(Shown::OfAnotherAuthority),
        |world, name| world.cluster(name).show(Shown::Right),
    ),
    case(
        "the certificate has expired",
        unreachable("CertificateExpired"),
        |world, name| world.cluster(name).show(Shown::Expired),
        |world, name| world.cluster(name).show(Shown::Right),
    ),
    case(
        "the certificate is of another name",
        unreachable("CertificateNameMismatch"),
        |world, name| world.cluster(name).show(Shown::OfAnotherName),
        |world, name| world.cluster(name).show(Shown::Right),
    ),
    case(
        "401 on everything",
        unknown("Unauthorized"),
        |world, name| {
            world.cluster(name).refuse_tokens(true);
            world.cluster(name).cut_watches();
        },
        |world, name| world.cluster(name).refuse_tokens(false),
    ),
    case(
        "this machine's clock is ten minutes off",
        unknown("ClockDiffers"),
        |world, name| {
            world.cluster(name).set_clock(600);
            world.cluster(name).refuse_tokens(true);
            world.cluster(name).cut_watches();
        },
        |world, name| {
            world.cluster(name).set_clock(0);
            world.cluster(name).refuse_tokens(false);
        },
    ),
    case(
        "403 on everything",
        unreachable("Forbidden"),
        |world, name| {
            for plural in ["pods", "nodes", "namespaces"] {
                world.cluster(name).forbid(plural, true);
            }
            world.cluster(name).cut_watches();
        },
        |world, name| {
            for plural in ["pods", "nodes", "namespaces"] {
                world.cluster(name).forbid(plural, false);
            }
        },
    ),
    case(
        "403 on nodes",
        Some(("Ready", "True", "PartialPermissions")),
        |world, name| {
            world.cluster(name).forbid("nodes", true);
            world.cluster(name).cut_watches();
        },
        |world, name| {
            world.cluster(name).forbid("nodes", false);
            // Otherwise it is tried again within a minute.
            world.cluster(name).refuse();
            world.cluster(name).come_back();
        },
    ),
    case("429 with Retry-After", unreachable("APIServerThrottled"), THROTTLED, no_more),
    case(
        "429 with Retry-After, where lists are paged",
        unreachable("APIServerThrottled"),
        THROTTLED,
        no_more,
    )
    .paged(),
    case(
        "500",
        unreachable("APIServerRefused"),
        |world, name| {
            world.cluster(name).fail_next(Verb::Watch, 1000, 500);
            world.cluster(name).cut_watches();
        },
        no_more,
    ),
    case("503 at page 3 of a list", unreachable("APIServerRefused"), BROKEN_OFF, no_more).paged().long(),
    case("503 within a streamed list", unreachable("APIServerRefused"), BROKEN_OFF, no_more).long(),
    case("410 at page 3 of a list", None, FORGOTTEN, NOTHING).paged().long(),
    case("410 within a streamed list", None, FORGOTTEN, NOTHING).long(),
    Case {
        streams: Streams::Ignored,
        ..case("410 in a watch, of a server that knows no streamed lists", None, relist, NOTHING)
    },
    case("410 in a watch", None, relist, NOTHING),
    case(
        "a watch that is cut within an object",
        None,
        |world, name| {
            world.cluster(name).say("pods", "{\"type\":\"ADDED\",\"object\":{\"meta");
            world.cluster(name).say("pods", "");
        },
        NOTHING,
    ),
    case(
        "an event that is no JSON",
        None,
        |world, name| world.cluster(name).say("pods", "this is no JSON\n"),
        NOTHING,
    ),
    case(
        "a resourceVersion that goes back",
        None,
        |world, name| {
            let mut pod = world.cluster(name).get("pods", Some("shop"), "web-1").unwrap();
            pod["metadata"]["resourceVersion"] = json!("1");
            let line = json!({"type": "MODIFIED", "object": pod}).to_string();
            world.cluster(name).say("pods", format!("{line}\n"));
            world.cluster(name).cut_watches();
        },
        NOTHING,
    ),
    case("pages that repeat objects", None, REPEATED.0, REPEATED.1).paged().long(),
    case("a streamed list that repeats objects", None, REPEATED.0, REPEATED.1).long(),
    case("a list of 200 MB", unreachable("AnswerTooLarge"), BLOATED.0, BLOATED.1).paged(),
    case("an object of 200 MB in a streamed list", unreachable("AnswerTooLarge"), BLOATED.0, BLOATED.1),
    Case {
        pods: (0, MANY),
        ..case(
            "an empty list of a cluster with 200 pods",
            Some(("WithinBudgets", "False", "Braked")),
            EMPTIED.0,
            EMPTIED.1,
        )
        .paged()
    },
    Case {
        pods: (0, MANY),
        ..case(
            "an empty streamed list of a cluster with 200 pods",
            Some(("WithinBudgets", "False", "Braked")),
            EMPTIED.0,
            EMPTIED.1,
        )
    },
    case(
        "a pod that cannot be read",
        Some(("ObjectsReadable", "False", "MalformedObjects")),
        |world, name| {
            let broken = json!({"metadata": {"labels": {"app": 7}}});
            world.cluster(name).patch("pods", Some("shop"), "web-1", broken);
        },
        |world, name| {
            let mended = json!({"metadata": {"labels": {"app": "web"}}});
            world.cluster(name).patch("pods", Some("shop"), "web-1", mended);
        },
    ),
    case(
        "another kube-system: the cluster was rebuilt",
        Some(("Synced", "False", "AnotherCluster")),
        |world, name| {
            world.cluster(name).patch(
                "namespaces",
                None,
                "kube-system",
                json!({"metadata": {"uid": "rebuilt"}}),
            );
            world.cluster(name).refuse();
            world.cluster(name).come_back();
        },
        |world, name| {
            let accept = json!({"metadata": {"annotations": {"eksclusterregistry.spire.spiffe.io/accept-cluster": "rebuilt"}}});
            world.management.patch(REGISTRIES, None, name, accept);
        },
    ),
    case(
        "EKS does not know the cluster",
        unreachable("ClusterNotFound"),
        |world, name| {
            let it = world.workload_cluster(name).eks.clone();
            world.aws.remove_cluster(&it.account, &it.region, &it.name);
            world.cluster(name).refuse();
        },
        eks_mended,
    ),
    case(
        "the cluster is DELETING",
        unreachable("ClusterDeleting"),
        |world, name| eks(world, name, |it| it.status = "DELETING".to_owned()),
        eks_mended,
    ),
    case(
        "the cluster is another account's",
        unreachable("AccountMismatch"),
        |world, name| eks(world, name, |it| it.arn = it.arn.replace("111122223333", "999999999999")),
        eks_mended,
    ),
    case(
        BY_ROLE[0],
        unknown("RoleNotAssumable"),
        |world, name| {
            world.aws.remove_role(&role(world, name));
            world.register(name);
        },
        |world, name| world.aws.add_role(&role(world, name), "111122223333", None),
    ),
    case(
        BY_ROLE[1],
        unknown("RoleNotAssumable"),
        |world, name| {
            world.aws.fail_next(Operation::AssumeRole, 4, 403, "AccessDenied");
            world.register(name);
        },
        NOTHING,
    ),
];

/// The name of a case's registry.
fn name(index: usize) -> String {
    format!("case-{index}")
}

async fn fleet() -> Fleet {
    let mut world = World::start().await;
    // A comparison each few seconds would hide what the watches and the status do not say.
    world.configure(&json!({"gcInterval": "60s"}));
    let well = (0..WELL).map(|number| format!("well-{number}"));
    let cases = CASES.iter().enumerate().map(|(index, case)| (name(index), BY_ROLE.contains(&case.name)));
    let all: Vec<(String, bool)> = well.map(|name| (name, false)).chain(cases).collect();
    for (name, is_by_role) in &all {
        match is_by_role {
            true => world.add_cluster_by_role(name, "444455556666", "eu-west-1").await,
            false => world.add_cluster(name).await,
        };
        let api = world.cluster(name);
        api.put(objects::namespace("shop"));
        api.put(objects::node("n1"));
        api.put(pod("web-1", "web"));
        if !is_by_role {
            world.register(name);
        }
    }
    for (index, case) in CASES.iter().enumerate() {
        let cluster = world.cluster(&name(index));
        cluster.offer_streams(case.streams);
        let (unwanted, wanted) = case.pods;
        (0..unwanted).for_each(|number| drop(cluster.put(pod(&format!("none-{number}"), "none"))));
        (0..wanted).for_each(|number| drop(cluster.put(pod(&format!("many-{number}"), "web"))));
    }
    world.management.put(identity("web", "web"));
    run(world)
}

/// With the log that operators have: what is measured is not to depend on how soon somebody reads a longer one.
fn run(mut world: World) -> Fleet {
    let registrar = world.run_with(crate::PROGRAM, |command| {
        command.env("LOG_LEVEL", "info");
    });
    Fleet { world, registrar }
}

async fn until_told(fleet: &Fleet, name: &str, told: (&str, &str, &str)) {
    let (kind, status, reason) = told;
    let holds = |object: Option<&Value>| {
        condition(object, kind).is_some_and(|it| it["status"] == status && it["reason"] == reason)
    };
    let what = format!("{name} has {kind} {status} {reason}");
    fleet.world.management.until(&what, PATIENCE, |view| holds(view.get(REGISTRIES, None, name))).await;
}

/// Waits until SPIRE has the pod's entry.
async fn until_entry(fleet: &Fleet, what: &str, pod: &str) -> String {
    fleet.world.spire.until_entry_of(pod, what, PATIENCE).await.0.id
}

async fn row(fleet: &Fleet, index: usize, case: &'static Case) -> Row {
    let (world, name) = (&fleet.world, name(index));
    let what = format!("{name}, {}", case.name);
    let first = uid(&world.cluster(&name).get("pods", Some("shop"), "web-1").unwrap());
    let is_new = BY_ROLE.contains(&case.name);
    let before = if is_new { None } else { Some(fleet.entry(&first).id) };
    let began = Instant::now();
    (case.fail)(world, &name);
    if let Some(told) = case.told {
        until_told(fleet, &name, told).await;
    }
    let noticed = began.elapsed();
    let shown = world.management.get(REGISTRIES, None, &name).map(|it| it["status"]["conditions"].clone());
    if let Some(before) = &before {
        assert_eq!(fleet.entry(&first).id, *before, "{what}");
    }
    let began = Instant::now();
    (case.mend)(world, &name);
    let second = fleet.pod(&name, "web-2", "web");
    until_entry(fleet, &what, &second).await;
    until_told(fleet, &name, ("Ready", "True", "Connected")).await;
    let mended = began.elapsed();
    let after = until_entry(fleet, &what, &first).await;
    assert!(before.is_none_or(|before| before == after), "{what}: the entry is another");
    Row { name: case.name, told: case.told, shown: shown.unwrap_or_default(), noticed, mended }
}

/// How long each pod in well clusters waits for its entry, one after another, until it is over: from where the API server
/// has it until SPIRE does, by the clock of both, which is one.
async fn latencies(fleet: &Fleet, round: &str, is_over: &AtomicBool) -> Vec<Duration> {
    let mut pace = tokio::time::interval(PROBE_PACE);
    let mut all = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        pace.tick().await;
        let began = SystemTime::now();
        let number = all.len();
        let pod = fleet.pod(&format!("well-{}", number % WELL), &format!("{round}-{number}"), "web");
        let what = "a pod of a cluster that is well";
        let (_, at) = fleet.world.spire.until_entry_of(&pod, what, PATIENCE).await;
        all.push(at.duration_since(began).unwrap_or_default());
    }
    all.sort();
    all
}

/// Clusters that are well, and nothing else.
async fn well_alone() -> Fleet {
    let names: Vec<String> = (0..WELL).map(|number| format!("well-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = crate::fleet::world(&names).await;
    world.management.put(identity("web", "web"));
    for name in names {
        world.cluster(name).put(pod("web-1", "web"));
        world.register(name);
    }
    run(world)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_failure_is_named_mended_and_alone() {
    let fleet = fleet().await;
    let many: usize = CASES.iter().map(|case| case.pods.1).sum();
    fleet.until_entries(WELL + CASES.len() - BY_ROLE.len() + many).await;
    for (index, case) in CASES.iter().enumerate() {
        if !BY_ROLE.contains(&case.name) {
            until_told(&fleet, &name(index), ("Synced", "True", "InStep")).await;
        }
    }
    // A registrar of its own, whose clusters are all well, at the same time on the same machine: what others do there, and
    // what the simulated servers cost, is the same for both.
    let beside = well_alone().await;
    beside.until_entries(WELL).await;
    let is_over = AtomicBool::new(false);
    let rows = async {
        let rows = CASES.iter().enumerate().map(|(index, case)| row(&fleet, index, case));
        let rows = futures::future::join_all(rows).await;
        is_over.store(true, Ordering::Relaxed);
        rows
    };
    let (rows, among, alone) =
        futures::join!(rows, latencies(&fleet, "probe", &is_over), latencies(&beside, "probe", &is_over));
    assert_eq!(fleet.writes(WriteKind::Delete), 0, "no end of a pod was seen");
    let entries = WELL + many + 2 * CASES.len() + among.len();
    assert_eq!(fleet.ids().len(), entries);
    for (who, all) in [("among those that fail", &among), ("alone", &alone)] {
        let [p50, p90, p99] = [50, 90, 99].map(|percent| part(all, percent));
        println!("{who}: {} pods, median {p50:?}, p90 {p90:?}, p99 {p99:?}", all.len());
    }
    // Beside each other on one machine both have the same slowest moments, but not in the same of their pods: what is held is
    // that no more than five in a hundred are slower than the slowest of a hundred alone. Whoever stood in another's way
    // would cost pods parts of a second, the time of a list or of a connection that is not made. Where the document is
    // written, p99 is held to p99.
    let percent = if std::env::var_os("BLESS").is_some() { 99 } else { 95 };
    let (slow, most) = (part(&among, percent), part(&alone, 99).mul_f64(1.5) + SLACK);
    assert!(
        slow <= most,
        "{percent} of 100 took up to {slow:?}, 99 of 100 alone and half as much again {most:?}"
    );
    table(&rows, &among, &alone);
}

/// How long so many of a hundred took at most.
fn part(all: &[Duration], percent: usize) -> Duration {
    all[all.len() * percent / 100]
}

/// The committed table has the same failures and reasons; times are those of the run that wrote it.
fn table(rows: &[Row], among: &[Duration], alone: &[Duration]) {
    let line = |row: &Row| {
        let told = row
            .told
            .map_or("nothing".to_owned(), |(kind, status, reason)| format!("`{kind}` {status}, `{reason}`"));
        format!("| {} | {told} |", row.name)
    };
    let path = std::path::Path::new(crate::ROOT).join(TABLE);
    if std::env::var_os("BLESS").is_some() {
        let mut text = String::from(include_str!("chaos.head.md"));
        for row in rows {
            let (noticed, mended) = (row.noticed.as_secs_f64(), row.mended.as_secs_f64());
            let noticed = row.told.map_or("".to_owned(), |_| format!("{noticed:.1} s"));
            writeln!(text, "{} {noticed} | {mended:.1} s |", line(row)).unwrap();
        }
        let told = |all: &[Duration], percent| part(all, percent).as_millis();
        writeln!(
            text,
            "\nWhile all of this happened, a pod of a cluster that is well had its entry after {} ms (p99 {} ms, of {} pods); with a \
             registrar that has clusters of this kind alone, at the same time on the same machine, after {} ms (p99 {} ms, of {}).",
            told(among, 50),
            told(among, 99),
            among.len(),
            told(alone, 50),
            told(alone, 99),
            alone.len(),
        )
        .unwrap();
        text.push_str(include_str!("chaos.shown.md"));
        for row in rows.iter().filter(|row| SHOWN.contains(&row.name)) {
            write!(text, "\n**{}**\n\n```\nStatus:\n  Conditions:\n", row.name).unwrap();
            let conditions = row.shown.as_array().into_iter().flatten();
            for it in conditions.filter(|it| it["status"] != "True") {
                for (label, field) in
                    [("Message", "message"), ("Reason", "reason"), ("Status", "status"), ("Type", "type")]
                {
                    writeln!(text, "    {label}:  {}", it[field].as_str().unwrap_or_default()).unwrap();
                }
            }
            text.push_str("```\n");
        }
        std::fs::write(&path, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    for row in rows {
        assert!(committed.contains(&line(row)), "{TABLE} lacks {:?}; `make bless` rewrites it", line(row));
    }
}
