//! The whole line against real servers: nothing is simulated but AWS and the kubelet. `make test-real` runs it.
//!
//! The tests share one running set of servers and run in the order below; `cargo test --test real -- NAME` runs those
//! whose names contain NAME. Each makes what it needs and can run alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod agent;
mod aws;
mod bench;
mod child;
mod images;
mod kubelet;
mod kubernetes;
mod pki;
mod registrar;
mod spire;
mod wait;
mod world;

mod admission;
mod bad_input;
mod crash;
mod deletion;
mod doctor;
mod examples;
mod exchanges;
mod install;
mod kinds;
mod leader;
mod monitoring;
mod mutual_tls;
mod node;
mod outages;
mod peer;
mod plugins;
mod pod_life;
mod readme;
mod rights;
mod svid;
mod write_rate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use tempfile::TempDir;
use world::World;

/// A test, by the name under which it is told.
type Test = (&'static str, fn(&World));

const TESTS: &[Test] = &[
    ("kinds::the_api_server_accepts_both_kinds", kinds::the_api_server_accepts_both_kinds),
    (
        "rights::those_of_deploy_are_exactly_what_is_needed",
        rights::those_of_deploy_are_exactly_what_is_needed,
    ),
    ("rights::a_token_is_good_for_its_cluster_alone", rights::a_token_is_good_for_its_cluster_alone),
    ("examples::the_kinds_as_the_seed_describes_them", examples::the_kinds_as_the_seed_describes_them),
    ("examples::example_1_basic_web_application", examples::example_1_basic_web_application),
    ("examples::example_2_multi_cluster_microservices", examples::example_2_multi_cluster_microservices),
    ("examples::example_3_cross_account_setup", examples::example_3_cross_account_setup),
    ("examples::status_as_kubectl_prints_it", examples::status_as_kubectl_prints_it),
    ("examples::render_gives_the_very_entries", examples::render_gives_the_very_entries),
    (
        "plugins::combinations_that_make_no_sense_are_refused_with_a_sentence",
        plugins::combinations_that_make_no_sense_are_refused_with_a_sentence,
    ),
    (
        "plugins::a_component_in_a_config_map_gives_entries",
        plugins::a_component_in_a_config_map_gives_entries,
    ),
    (
        "plugins::components_of_every_language_come_from_a_registry_that_asks_for_a_password",
        plugins::components_of_every_language_come_from_a_registry_that_asks_for_a_password,
    ),
    ("pod_life::from_bound_to_gone", pod_life::from_bound_to_gone),
    ("pod_life::from_one_identity_to_another", pod_life::from_one_identity_to_another),
    ("node::replaced_under_the_same_name", node::replaced_under_the_same_name),
    ("crash::unchanged_entries_are_not_rewritten", crash::unchanged_entries_are_not_rewritten),
    ("crash::killed_at_random_moments", crash::killed_at_random_moments),
    (
        "bad_input::an_identity_that_cannot_be_used_is_alone",
        bad_input::an_identity_that_cannot_be_used_is_alone,
    ),
    (
        "bad_input::a_registry_that_cannot_be_used_is_alone",
        bad_input::a_registry_that_cannot_be_used_is_alone,
    ),
    (
        "bad_input::what_is_missing_around_it_is_told_within_seconds",
        bad_input::what_is_missing_around_it_is_told_within_seconds,
    ),
    ("svid::a_process_in_the_pod_gets_its_svid", svid::a_process_in_the_pod_gets_its_svid),
    ("deletion::a_disabled_registry_keeps_its_entries", deletion::a_disabled_registry_keeps_its_entries),
    (
        "deletion::a_deleted_identity_takes_its_entries_along",
        deletion::a_deleted_identity_takes_its_entries_along,
    ),
    (
        "deletion::a_deleted_registry_takes_its_entries_along",
        deletion::a_deleted_registry_takes_its_entries_along,
    ),
    (
        "install::the_chart_renders_and_refuses_what_is_no_value",
        install::the_chart_renders_and_refuses_what_is_no_value,
    ),
    (
        "install::the_manifests_of_kustomize_are_the_charts",
        install::the_manifests_of_kustomize_are_the_charts,
    ),
    ("install::the_api_server_accepts_every_manifest", install::the_api_server_accepts_every_manifest),
    (
        "install::from_an_empty_cluster_to_an_entry_and_away_again",
        install::from_an_empty_cluster_to_an_entry_and_away_again,
    ),
    ("readme::every_command_is_run", readme::every_command_is_run),
    ("readme::every_command_of_operations_is_run", readme::every_command_of_operations_is_run),
    ("monitoring::a_prometheus_answers_every_query", monitoring::a_prometheus_answers_every_query),
    (
        "mutual_tls::an_svid_that_is_renewed_writes_entries",
        mutual_tls::an_svid_that_is_renewed_writes_entries,
    ),
    ("admission::the_api_server_asks_before_it_stores", admission::the_api_server_asks_before_it_stores),
    ("leader::one_writes_whatever_happens_to_either", leader::one_writes_whatever_happens_to_either),
    ("exchanges::spire_answers_as_its_stand_in_does", exchanges::spire_answers_as_its_stand_in_does),
    ("rights::nothing_was_forbidden", rights::nothing_was_forbidden),
    ("doctor::all_is_well_and_a_missing_verb_is_named", doctor::all_is_well_and_a_missing_verb_is_named),
    (
        "outages::an_api_server_killed_stopped_and_given_another_certificate",
        outages::an_api_server_killed_stopped_and_given_another_certificate,
    ),
    (
        "outages::spire_stopped_slowed_restarted_and_restored",
        outages::spire_stopped_slowed_restarted_and_restored,
    ),
    (
        "outages::the_management_cluster_emptied_and_rebuilt",
        outages::the_management_cluster_emptied_and_rebuilt,
    ),
    ("rights::nothing_broke", rights::nothing_broke),
];

/// A benchmark, by its name. It starts what it needs in a folder of its own, and runs where `--ignored` asks for it.
type Bench = (&'static str, fn(&Path));

const BENCHES: &[Bench] = &[("bench_peer", peer::bench_peer), ("bench_writes", write_rate::bench_writes)];

fn main() -> ExitCode {
    let names: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let is_wanted =
        |name: &str| names.is_empty() || names.iter().any(|wanted| name.contains(wanted.as_str()));
    if std::env::args().any(|argument| argument == "--ignored") {
        let all = BENCHES.iter().filter(|bench| is_wanted(bench.0)).all(|bench| run_bench(bench.0, bench.1));
        return if all { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let wanted = |test: &&Test| is_wanted(test.0);
    let begin = Instant::now();
    let folder = TempDir::with_prefix("registrar-real-").unwrap();
    let tell_logs = || eprint!("{}", child::tails(folder.path()));
    let Ok(world) = catch_unwind(|| World::start(folder.path())) else {
        tell_logs();
        return ExitCode::FAILURE;
    };
    println!("\nall servers are up after {:.1} s", begin.elapsed().as_secs_f64());
    let (mut passed, mut failed) = (0, Vec::new());
    for (name, test) in TESTS.iter().filter(wanted) {
        let begin = Instant::now();
        let is_passed = catch_unwind(AssertUnwindSafe(|| test(&world))).is_ok();
        let outcome = if is_passed { "ok" } else { "FAILED" };
        println!("test {name} ... {outcome} ({:.1} s)", begin.elapsed().as_secs_f64());
        if is_passed {
            passed += 1;
        } else {
            tell_logs();
            failed.push(*name);
        }
    }
    drop(world);
    let leaks = child::leaks(folder.path());
    let is_silent = leaks.is_empty();
    println!("test no_program_logged_a_secret ... {}", if is_silent { "ok" } else { "FAILED" });
    if is_silent {
        passed += 1;
    } else {
        leaks.iter().for_each(|leak| println!("{leak}"));
        failed.push("no_program_logged_a_secret");
    }
    let outcome = if failed.is_empty() { "ok" } else { "FAILED" };
    failed.iter().for_each(|name| println!("failed: {name}"));
    println!(
        "\ntest result: {outcome}. {passed} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        failed.len(),
        TESTS.len() + 1 - passed - failed.len(),
        begin.elapsed().as_secs_f64()
    );
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("the logs stay in {}", folder.keep().display());
    ExitCode::FAILURE
}

/// Whether it came to its end.
fn run_bench(name: &str, bench: fn(&Path)) -> bool {
    let folder = TempDir::with_prefix("registrar-bench-").unwrap();
    let begin = Instant::now();
    let is_done = catch_unwind(|| bench(folder.path())).is_ok();
    let outcome = if is_done { "ok" } else { "FAILED" };
    println!("test {name} ... {outcome} ({:.1} s)", begin.elapsed().as_secs_f64());
    if !is_done {
        eprint!("{}", child::tails(folder.path()));
        println!("the logs stay in {}", folder.keep().display());
    }
    is_done
}
