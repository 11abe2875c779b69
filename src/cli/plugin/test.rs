//! `plugin test`: a folder's cases against what is recorded of them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use registrar_core::spiffe::{TrustDomain, trust_domain};
use serde_json::{Value, json};
use similar::TextDiff;

use super::case::{Case, Files, config};
use super::{DIFFERS, Loaded, Output, Usage, bytes, load, print_json, unusable};
use crate::cli::read;

/// Arguments of `plugin test`.
#[derive(clap::Args)]
#[command(after_help = "Example:
  spire-eks-workload-registrar plugin test my-plugin")]
pub struct Arguments {
    /// The plugin's folder. Each folder in its `cases` is one: pod.yaml, decision.json, config.json, and where they matter
    /// node.yaml, namespace.yaml and cluster.yaml (an EKSClusterRegistry). The last four may also lie in `cases`, for all.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The component. Absent: the one that lies in DIR, or in cargo's target folder there.
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// Record what is decided now. Read the difference before you commit it.
    #[arg(long)]
    bless: bool,
    /// The SPIRE server's trust domain.
    #[arg(long, value_name = "NAME", default_value = "example.org", value_parser = trust_domain)]
    trust_domain: TrustDomain,
    /// How it is told.
    #[arg(short = 'o', value_name = "FORMAT", default_value = "text")]
    output: Output,
}

/// What became of a case.
struct Tested {
    name: String,
    expected: Option<String>,
    actual: String,
}

impl Tested {
    fn passes(&self) -> bool {
        self.expected.as_ref() == Some(&self.actual)
    }
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Usage> {
    let path = match &arguments.component {
        Some(path) => path.clone(),
        None => component(&arguments.folder)?,
    };
    let loaded = match load(&bytes(&path)?) {
        Ok(loaded) => loaded,
        Err(why) => return Ok(unusable(&path.display().to_string(), &why)),
    };
    let mut tested = Vec::new();
    for folder in folders(&arguments.folder.join("cases"))? {
        let case = test(&folder, &loaded, &arguments.trust_domain)?;
        if arguments.bless && !case.passes() {
            let path = folder.join("decision.json");
            std::fs::write(&path, &case.actual)
                .map_err(|error| Usage(vec![format!("{}: {error}", path.display())]))?;
        }
        tested.push(case);
    }
    let failed = tested.iter().filter(|case| !case.passes()).count();
    match arguments.output {
        Output::Json => print_json(&json!({
            "plugin": loaded.json(),
            "cases": tested.iter().map(|case| told(case, arguments.bless)).collect::<Vec<_>>(),
            "passed": tested.len() - failed,
            "failed": if arguments.bless { 0 } else { failed },
        }))?,
        Output::Text => {
            tested.iter().for_each(|case| print(case, arguments.bless));
            let (passed, rest) = (tested.len() - failed, if arguments.bless { "recorded" } else { "failed" });
            println!("{}: {passed} passed, {failed} {rest}", loaded.description);
        }
    }
    Ok(if failed == 0 || arguments.bless { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
}

fn told(case: &Tested, bless: bool) -> Value {
    let status = match (&case.expected, bless) {
        _ if case.passes() => "passed",
        (_, true) => "recorded",
        (None, false) => "new",
        (Some(_), false) => "differs",
    };
    let parsed = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    json!({
        "name": case.name,
        "status": status,
        "expected": case.expected.as_deref().map(parsed),
        "actual": parsed(&case.actual),
    })
}

fn print(case: &Tested, bless: bool) {
    if case.passes() {
        println!("ok        {}", case.name);
        return;
    }
    let recorded = if bless { "recorded" } else { "differs " };
    println!("{recorded}  {}", case.name);
    let expected = case.expected.as_deref().unwrap_or_default();
    let difference = TextDiff::from_lines(expected, &case.actual);
    print!("{}", difference.unified_diff().header("decision.json", "what is decided now"));
}

fn test(folder: &Path, loaded: &Loaded, trust_domain: &TrustDomain) -> Result<Tested, Usage> {
    // What holds for all cases lies beside them.
    let there = |name: &str| {
        let places = [Some(folder), folder.parent()].into_iter().flatten();
        places.map(|place| place.join(name)).find(|path| path.exists())
    };
    let (node, namespace, cluster) = (there("node.yaml"), there("namespace.yaml"), there("cluster.yaml"));
    let files = Files {
        pod: &folder.join("pod.yaml"),
        node: node.as_deref(),
        namespace: namespace.as_deref(),
        cluster: cluster.as_deref(),
    };
    let case = Case::read(&files, trust_domain, "application")?;
    if let Some((facts, file)) = case.missing(loaded).first() {
        let folder = folder.display();
        return Err(Usage(vec![format!(
            "{folder}: the component reads {facts}, and {file}.yaml is not there"
        )]));
    }
    let config = match there("config.json") {
        Some(path) => config(&path.display().to_string(), &read(&path)?)?,
        None => "{}".to_owned(),
    };
    let decided = case.decide(loaded, &config)?;
    let actual = serde_json::to_string_pretty(&decided.outcome.json())
        .map_err(|error| Usage(vec![format!("the decision cannot be written: {error}")]))?;
    let recorded = Some(folder.join("decision.json")).filter(|path| path.exists());
    let expected = recorded.map(|path| read(&path)).transpose()?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Tested { name, expected, actual: actual + "\n" })
}

fn folders(cases: &Path) -> Result<Vec<PathBuf>, Usage> {
    let wrong = |what: String| Usage(vec![format!("{}: {what}", cases.display())]);
    let read = std::fs::read_dir(cases).map_err(|error| wrong(error.to_string()))?;
    let mut folders: Vec<PathBuf> = read
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(error.to_string()))?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    if folders.is_empty() {
        return Err(wrong("has no case: a folder that holds pod.yaml and config.json".to_owned()));
    }
    Ok(folders)
}

/// The only component that lies in the folder, or else in the folder that cargo builds into.
fn component(folder: &Path) -> Result<PathBuf, Usage> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| folder.join("target"), PathBuf::from);
    let places = [folder.to_path_buf(), target.join("wasm32-unknown-unknown/release")];
    for place in &places {
        let entries = std::fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut found: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|it| it == "wasm")).collect();
        found.sort();
        match &found[..] {
            [] => {}
            [only] => return Ok(only.clone()),
            several => {
                let names: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
                return Err(Usage(vec![format!("--component must say which: {}", names.join(", "))]));
            }
        }
    }
    let [here, target] = places.map(|place| place.display().to_string());
    Err(Usage(vec![format!(
        "neither {here} nor {target} holds a component: build it, or name it by --component"
    )]))
}
