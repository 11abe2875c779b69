//! Components of every kind of mischief against the runtime alone.

use std::sync::LazyLock;

use registrar_core::plugin::{DEFAULT_CEILINGS, DEFAULT_LIMITS, Fact, Proposal, ProposedId};
use registrar_world::component::{Guest, RawIdentity, argument, component, reads};

use super::*;

/// One for all tests: each runtime has a pool and a clock of its own.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new(&DEFAULT_CEILINGS, 8).unwrap());

fn limits() -> Limits {
    Limits { time: Duration::from_millis(20), memory: 4 << 20, output: 64 << 10 }
}

fn load(guest: &Guest) -> Component {
    RUNTIME.load(&compile::here(&guest.component()).unwrap()).unwrap()
}

fn workload() -> Workload {
    Workload { namespace: "shop".into(), service_account: "cart".into(), ..Workload::default() }
}

fn derive(guest: &Guest) -> Called<Answer> {
    load(guest).derive(&workload(), "{}", &limits())
}

fn stopped(guest: &Guest) -> Stop {
    derive(guest).outcome.unwrap_err()
}

#[test]
fn a_component_is_described_checked_and_asked() {
    let guest = Guest::new("cart", reads::NAMESPACE | reads::SERVICE_ACCOUNT)
        .path_of("/sa/", argument::SERVICE_ACCOUNT);
    let plugin = load(&guest);
    let description = plugin.describe(&limits()).outcome.unwrap();
    assert_eq!((description.name.as_str(), description.version.as_str()), ("cart", "1.0.0"));
    assert_eq!(description.reads.facts().collect::<Vec<_>>(), [Fact::Namespace, Fact::ServiceAccount]);
    assert_eq!(plugin.validate("{}", &limits()).outcome.unwrap(), []);
    let called = plugin.derive(&workload(), "{}", &limits());
    let proposal = Proposal {
        spiffe_id: ProposedId::Path("/sa/cart".to_owned()),
        parent_id: None,
        selectors: Vec::new(),
        dns_names: Vec::new(),
        hint: None,
    };
    assert_eq!(called.outcome.unwrap(), Answer::Decided(Decision::Identities(vec![proposal])));
    assert!(called.used.fuel > 0 && called.used.memory == 1 << 20, "{:?}", called.used);
    let plugin = load(&guest.invalid_config("teams[2].name", "must not be empty"));
    let problems = plugin.validate("{}", &limits()).outcome.unwrap();
    assert_eq!(problems[0].to_string(), "spec.plugin.config.teams[2].name: must not be empty");
}

#[test]
fn a_failure_is_an_answer_and_so_is_a_refusal() {
    let answer = |guest: Guest| derive(&guest).outcome.unwrap();
    let guest = || Guest::new("x", 0);
    assert_eq!(answer(guest().skip("not mine")), Answer::Decided(Decision::Skip("not mine".to_owned())));
    assert_eq!(answer(guest().deny("never")), Answer::Decided(Decision::Deny("never".to_owned())));
    let Answer::Failed(problem) = answer(guest().fail("no label team")) else { panic!("decided") };
    assert_eq!((problem.reason, problem.message.as_str()), ("PluginFailed", "no label team"));
}

#[test]
fn each_limit_ends_a_call_and_says_which_it_was() {
    let guest = || Guest::new("x", 0);
    let endless = "(loop $on (br $on))";
    assert_eq!(stopped(&guest().before_derive(endless)).reason(), "PluginTimeLimit");
    let recursion = guest().fields("(func $deeper (call $deeper) (call $deeper))");
    assert_eq!(stopped(&recursion.before_derive("(call $deeper)")).reason(), "PluginStackLimit");
    // 64 KiB a page: to the limit, and one more.
    let grow = |pages: u32| guest().before_derive(&format!("(drop (memory.grow (i32.const {pages})))"));
    assert!(derive(&grow(48)).outcome.is_ok());
    assert_eq!(derive(&grow(48)).used.memory, 4 << 20);
    assert_eq!(stopped(&grow(49)), Stop::Memory { wanted: (4 << 20) + (64 << 10), limit: 4 << 20 });
    let table = guest().fields("(table $t 1 funcref)");
    let table = table.before_derive("(drop (table.grow $t (ref.null func) (i32.const 100000)))");
    assert_eq!(stopped(&table).reason(), "PluginTableLimit");
    assert!(matches!(stopped(&guest().before_derive("unreachable")), Stop::Trap(_)));
    let large = "a".repeat(100 << 10);
    assert_eq!(stopped(&guest().deny(large)), Stop::Output(64 << 10));
    assert_eq!(stopped(&guest().deny([b'a', 0xff])).reason(), "PluginOutputInvalid");
    let million = guest().many(&RawIdentity::new("/a"), 1_000_000);
    let called = load(&million).derive(&workload(), "{}", &Limits { memory: 64 << 20, ..DEFAULT_LIMITS });
    assert_eq!(called.outcome.unwrap_err().reason(), "PluginOutputTooLarge");
}

#[test]
fn a_start_function_that_spins_ends_every_call() {
    let plugin = load(&Guest::new("x", 0).fields("(func $spin (loop $on (br $on))) (start $spin)"));
    assert_eq!(plugin.describe(&limits()).outcome.unwrap_err().reason(), "PluginTimeLimit");
    assert_eq!(plugin.validate("{}", &limits()).outcome.unwrap_err().reason(), "PluginTimeLimit");
}

#[test]
fn more_memory_at_the_start_than_is_allowed_ends_the_call() {
    let guest = Guest::new("x", 0).pages(100);
    assert!(matches!(stopped(&guest), Stop::Memory { wanted: 6_553_600, .. }));
}

#[test]
fn the_same_call_uses_the_same_fuel_and_nothing_is_left_for_the_next() {
    // It counts its calls in memory and skips the first alone.
    let count = "(i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 1)))
                 (if (i32.gt_u (i32.load (i32.const 64)) (i32.const 1)) (then unreachable))";
    let plugin = load(&Guest::new("x", 0).before_derive(count));
    let first = plugin.derive(&workload(), "{}", &limits());
    let second = plugin.derive(&workload(), "{}", &limits());
    assert_eq!(first.outcome.unwrap(), second.outcome.unwrap());
    assert_eq!(first.used.fuel, second.used.fuel);
}

#[test]
fn what_costs_much_and_counts_little_has_an_end_too_and_may_be_asked_again() {
    let plugin = load(&Guest::new("x", 0).before_derive("(loop $on (br $on))"));
    let mut store = limits::confine(&RUNTIME.engine, &limits());
    store.set_fuel(u64::MAX).unwrap();
    let _running = RUNTIME.clock.run();
    let instance = plugin.plugin.instantiate(&mut store).unwrap();
    let guest = instance.spire_eks_workload_registrar_plugin_identity();
    let error =
        bindings::with_workload(&workload(), |it| guest.call_derive(&mut store, it, "{}")).unwrap_err();
    let stop = limits::stop(&error, &limits());
    assert!(stop.may_differ() && stop.reason() == "PluginSlow", "{stop}");
}

#[test]
fn what_is_no_plugin_is_refused_before_it_is_compiled() {
    let error = |bytes: &[u8]| compile::here(bytes).unwrap_err();
    let whole = Guest::new("x", 0).component();
    assert_eq!(error(b"PK").reason(), "PluginNotWasm");
    assert_eq!(error(&[]).reason(), "PluginNotWasm");
    assert_eq!(error(&whole[..whole.len() / 2]).reason(), "PluginInvalid");
    assert_eq!(error(b"\0asm\x01\0\0\0"), ComponentError::CoreModule);
    let sockets = "package test:sockets@0.1.0;
        interface tcp { create: func() -> u32; }
        world greedy { import tcp; export spire-eks-workload-registrar:plugin/identity@0.1.0; }";
    let fields = "(import \"test:sockets/tcp@0.1.0\" \"create\" (func $create (result i32)))";
    let module = Guest::new("x", 0).text().replacen("(module", &format!("(module {fields}"), 1);
    let greedy = component(&module, "greedy", Some(sockets));
    let error_of_greedy = error(&greedy);
    assert_eq!(error_of_greedy, ComponentError::Imports("test:sockets/tcp@0.1.0".to_owned()));
    assert!(error_of_greedy.to_string().contains("wasm32-unknown-unknown"), "{error_of_greedy}");
    let other = "package test:other@1.0.0; world other { export run: func() -> u32; }";
    let other =
        component("(module (func (export \"run\") (result i32) (i32.const 1)))", "other", Some(other));
    assert!(
        error(&other).to_string().starts_with("exports run; a plugin exports spire-eks"),
        "{}",
        error(&other)
    );
}

#[test]
fn inspecting_tells_what_the_bytes_say() {
    let bytes = Guest::new("x", 0).component();
    let inspection = inspect(&bytes).unwrap();
    assert_eq!(inspection.version.as_deref(), Some("0.1.0"));
    assert_eq!((inspection.size, inspection.imports), (bytes.len() as u64, Vec::new()));
}
