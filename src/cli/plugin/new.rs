//! `plugin new`: a project in Rust to begin with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::Usage;

/// The SDK's folder in a clone of the registrar.
const SDK: &str = "plugins/sdk";

/// The files of a project; `@NAME@` and `@SDK@` are put in.
const FILES: [(&str, &str); 11] = [
    ("Cargo.toml", include_str!("project/Cargo.toml.in")),
    // Those that the registrar's own plugins are built with.
    (".cargo/config.toml", include_str!("../../../plugins/.cargo/config.toml")),
    ("rust-toolchain.toml", include_str!("../../../plugins/rust-toolchain.toml")),
    (".gitignore", "/target/\n"),
    ("README.md", include_str!("project/README.md.in")),
    ("src/lib.rs", include_str!("project/lib.rs")),
    ("cases/config.json", "{\"label\": \"app\"}\n"),
    ("cases/labelled/pod.yaml", include_str!("project/pod.yaml")),
    ("cases/labelled/decision.json", include_str!("project/labelled.json")),
    ("cases/unlabelled/pod.yaml", include_str!("project/pod.yaml")),
    ("cases/unlabelled/decision.json", include_str!("project/unlabelled.json")),
];

/// Arguments of `plugin new`.
#[derive(clap::Args)]
#[command(after_help = "Example:
  spire-eks-workload-registrar plugin new my-plugin")]
pub struct Arguments {
    /// The plugin's name, and the folder's that is made: small letters, digits and hyphens.
    #[arg(value_name = "NAME")]
    name: String,
    /// The SDK: its folder, or a git repository that holds it, as https://HOST/PATH or ssh://HOST/PATH, with #REVISION after it.
    /// Absent: plugins/sdk of the clone of the registrar that the current folder lies in.
    #[arg(long, value_name = "PLACE")]
    sdk: Option<String>,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Usage> {
    let name = &arguments.name;
    check(name).map_err(|problem| Usage(vec![format!("NAME: {name:?} {problem}")]))?;
    let sdk = match &arguments.sdk {
        Some(place) => dependency(place)?,
        None => path_dependency(&in_this_clone()?)?,
    };
    let folder = PathBuf::from(name);
    let failed = |path: &Path, error: std::io::Error| Usage(vec![format!("{}: {error}", path.display())]);
    std::fs::create_dir(&folder).map_err(|error| failed(&folder, error))?;
    for (file, text) in FILES {
        let path = folder.join(file);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
        }
        let mut text = text.replace("@NAME@", name).replace("@SDK@", &sdk);
        if file == "cases/unlabelled/pod.yaml" {
            text = text.replace("  labels: {app: web}\n", "");
        }
        std::fs::write(&path, text).map_err(|error| failed(&path, error))?;
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// What cargo and the interface both take as a name.
fn check(name: &str) -> Result<(), &'static str> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let begins_well = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    match begins_well && name.len() <= 63 && name.bytes().all(fits) && !name.ends_with('-') {
        true => Ok(()),
        false => Err("must begin with a letter and have at most 63 small letters, digits and hyphens"),
    }
}

fn dependency(place: &str) -> Result<String, Usage> {
    let is_remote = ["https://", "ssh://", "file://"].iter().any(|scheme| place.starts_with(scheme));
    if !is_remote {
        return path_dependency(Path::new(place));
    }
    match place.split_once('#') {
        Some((url, revision)) if !revision.is_empty() => {
            Ok(format!("{{ git = {}, rev = {} }}", quoted(url), quoted(revision)))
        }
        _ => {
            let right = "must end in #REVISION, so that two builds of the plugin are of one SDK";
            Err(Usage(vec![format!("--sdk: {place:?} {right}")]))
        }
    }
}

fn path_dependency(folder: &Path) -> Result<String, Usage> {
    let wrong = |what: String| Usage(vec![format!("--sdk: {}: {what}", folder.display())]);
    let folder = folder.canonicalize().map_err(|error| wrong(error.to_string()))?;
    if !folder.join("Cargo.toml").exists() {
        return Err(wrong("holds no Cargo.toml: must be the folder of the SDK".to_owned()));
    }
    let path = folder.to_str().ok_or_else(|| wrong("is no UTF-8".to_owned()))?;
    Ok(format!("{{ path = {} }}", quoted(path)))
}

/// A TOML string.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn in_this_clone() -> Result<PathBuf, Usage> {
    let current = std::env::current_dir().map_err(|error| Usage(vec![error.to_string()]))?;
    let found =
        current.ancestors().map(|folder| folder.join(SDK)).find(|sdk| sdk.join("Cargo.toml").exists());
    found.ok_or_else(|| {
        let right =
            "--sdk must say where the SDK is: this folder lies in no clone of the registrar, which has it in";
        Usage(vec![format!("{right} {SDK}")])
    })
}
