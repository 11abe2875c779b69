//! A rendering allocates nothing for facts: values are handed out by reference count, however large the pod is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unsafe_code,
    reason = "tests end where they cannot go on, and an allocator that counts is an unsafe trait"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::{Environment, Value, context};
use registrar_core::derive::template::{Scope, Template, Variables};
use serde_json::{Value as Json, json};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does all the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread, moves to a larger place among them.
fn counted(run: impl FnOnce() -> String) -> (String, usize) {
    let before = COUNT.get();
    let output = run();
    (output, COUNT.get() - before)
}

/// Go's template, and the same by hand for the engine over plain values.
const TEMPLATES: &[(&str, &str)] = &[
    (
        "spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}",
        "spiffe://{{ trust_domain }}/ns/{{ namespace }}/sa/{{ account }}",
    ),
    (
        "spiffe://{{ .TrustDomain }}/spire/agent/k8s_psat/{{ .ClusterName }}/{{ .NodeMeta.UID }}",
        "spiffe://{{ trust_domain }}/spire/agent/k8s_psat/{{ cluster_name }}/{{ uid }}",
    ),
    ("{{ .PodMeta.Name }}.{{ .PodMeta.Namespace }}.svc", "{{ name }}.{{ namespace }}.svc"),
    (
        "{{ if eq (index .PodMeta.Labels \"l0\") \"v0\" }}{{ .PodMeta.Labels.l1 }}{{ end }}",
        "{% if labels[\"l0\"] == \"v0\" %}{{ labels.l1 }}{% endif %}",
    ),
    ("{{ with .PodMeta }}{{ .Name }}{{ end }}", "{% if name %}{{ name }}{% endif %}"),
];

const RANGE: (&str, &str) = (
    "{{ range $k, $v := .PodMeta.Labels }}{{ printf \"%s=%s,\" $k $v }}{{ end }}",
    "{% for k in labels %}{{ k }}={{ labels[k] }},{% endfor %}",
);

const NAME: &str = "a-name-that-is-too-long-to-be-kept-within-a-value";

/// A pod with so many labels, annotations and containers, in both forms.
fn facts(size: usize) -> (Scope, Value) {
    let labels: BTreeMap<String, String> =
        (0..size).map(|index| (format!("l{index}"), format!("v{index}"))).collect();
    let containers: Vec<Json> = (0..size).map(|index| json!({"name": format!("c{index}")})).collect();
    let metadata =
        json!({"name": NAME, "namespace": NAME, "uid": NAME, "labels": labels, "annotations": labels});
    let pod = json!({
        "metadata": metadata, "spec": {"serviceAccountName": NAME, "containers": containers}
    });
    let variables = Variables {
        trust_domain: Arc::from(NAME),
        cluster_name: Arc::from(NAME),
        eks_cluster_name: Arc::from(NAME),
        cluster_domain: Arc::from(NAME),
        application_name: Arc::from(NAME),
        account_id: Arc::from(NAME),
        region: Arc::from(NAME),
        instance_id: None,
        cluster_labels: labels.iter().collect(),
        aliases: true,
    };
    let by_hand = context! {
        trust_domain => NAME, cluster_name => NAME, name => NAME, namespace => NAME, account => NAME, uid => NAME,
        labels => labels,
    };
    (Scope::new(&variables, &pod, &json!({"metadata": metadata, "spec": {}})), by_hand)
}

/// What one rendering of both takes, once each has been rendered before.
fn both((go, by_hand): (&str, &str), size: usize) -> (usize, usize) {
    let (scope, values) = facts(size);
    let template = Template::compile(go).expect(go);
    let mut environment = Environment::empty();
    environment.add_template("t", by_hand).expect(by_hand);
    let engine = environment.get_template("t").expect("it was added");
    let ours = || template.render(&scope).expect(go);
    let theirs = || engine.render(values.clone()).expect(by_hand);
    assert_eq!(ours(), theirs(), "{go}");
    let (_, our_count) = counted(ours);
    let (_, their_count) = counted(theirs);
    (our_count, their_count)
}

#[test]
fn a_rendering_allocates_what_the_engine_does_over_ready_values_and_nothing_for_facts() {
    for pair in TEMPLATES {
        let (ours, by_hand) = both(*pair, 3);
        assert!(ours <= by_hand, "{}: {ours} allocations, {by_hand} by hand", pair.0);
        let (of_large, _) = both(*pair, 300);
        assert_eq!(ours, of_large, "{}: a larger pod takes more", pair.0);
    }
}

#[test]
fn a_range_allocates_no_more_for_an_element_than_the_engine_does_over_ready_values() {
    let grown = |(small, large): (usize, usize)| large - small;
    let (ours, by_hand) = both(RANGE, 8);
    let (ours_of_large, by_hand_of_large) = both(RANGE, 108);
    let (ours, by_hand) = (grown((ours, ours_of_large)), grown((by_hand, by_hand_of_large)));
    assert!(ours <= by_hand, "{ours} allocations for 100 labels more, {by_hand} by hand");
}
