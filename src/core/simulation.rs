//! Index and ledger against a model of the outside: any order of events and failures, and what must hold all the same.
//!
//! A schedule is made from a seed. What happens in it is told to one replica or two, whose writer works against a stand-in
//! of SPIRE; each write, and each state of rest, is held against rules that are written once more in `rules`, from
//! scratch. `make simulate SEEDS=N` runs many, `make simulate SEED=K` runs one again; a schedule that fails is made small
//! and printed.

mod components;
mod host;
mod outside;
mod rules;
mod run;
mod schedule;
mod shrink;
mod spire;

use std::time::Instant;

use run::Tally;
use schedule::Schedule;

use crate::mutants::{self, Mutant};

/// How many schedules `make test` runs.
const IN_TESTS: u64 = 2000;

/// After how many schedules a long run tells how far it is.
const TOLD_EACH: usize = 50_000;

/// A schedule that fails, made small, with what it breaks and how it is run again.
fn report(seed: u64) -> String {
    let schedule = Schedule::of(seed);
    let (small, violation) = shrink::shrink(&schedule);
    format!("{violation}\n{small:?}`make simulate SEED={seed}` runs it again")
}

/// Runs these schedules; the error is the first that fails.
fn run_all(seeds: impl Iterator<Item = u64>) -> Result<Tally, u64> {
    let mut tally = Tally::default();
    for (count, seed) in seeds.enumerate() {
        if count > 0 && count % TOLD_EACH == 0 {
            println!("up to {seed}: {tally:?}");
        }
        let schedule = Schedule::of(seed);
        tally.add(&shrink::outcome(&schedule).map_err(|_| seed)?);
    }
    Ok(tally)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn nothing_is_lost_or_doubled_under_any_order_of_events_and_failures() {
    let first = number("FIRST").unwrap_or(0);
    let (first, count) = match number("SEED") {
        Some(seed) => (seed, 1),
        None => (first, number("SEEDS").unwrap_or(IN_TESTS)),
    };
    let started = Instant::now();
    match run_all(first..first + count) {
        Ok(tally) => println!("{tally:?} in {:?}", started.elapsed()),
        Err(seed) => panic!("{}", report(seed)),
    }
}

#[test]
fn a_schedule_that_fails_is_made_small_and_says_how_it_is_run_again() {
    let told = mutants::with(Mutant::ForgetBrake, || {
        let seed = run_all(0..WITHIN).unwrap_err();
        let (small, violation) = shrink::shrink(&Schedule::of(seed));
        let is_smaller = small.events.len() < Schedule::of(seed).events.len();
        assert!(is_smaller && shrink::outcome(&small).is_err_and(|(_, again)| again == violation));
        assert!(report(seed).starts_with(&violation));
        (seed, report(seed))
    });
    assert!(told.1.contains(&format!("`make simulate SEED={}` runs it again", told.0)), "{}", told.1);
}

/// Within how many schedules each defect has to be found.
const WITHIN: u64 = 1000;

#[test]
fn each_defect_is_found_within_a_thousand_schedules() {
    // A defect is on in one thread alone, so two are looked for at a time.
    let (some, others) = mutants::ALL.split_at(mutants::ALL.len() / 2);
    let missed_of = |some: &[Mutant]| {
        let mut missed = Vec::new();
        for mutant in some {
            match mutants::with(*mutant, || run_all(0..WITHIN)) {
                Ok(_) => missed.push(*mutant),
                Err(seed) => println!("{mutant:?}: schedule {seed}"),
            }
        }
        missed
    };
    let mut missed = std::thread::scope(|scope| {
        let other = scope.spawn(|| missed_of(others));
        let mut missed = missed_of(some);
        missed.extend(other.join().unwrap());
        missed
    });
    missed.sort_by_key(|mutant| format!("{mutant:?}"));
    assert!(missed.is_empty(), "not found: {missed:?}");
}
