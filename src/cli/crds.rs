//! `crds`: the CustomResourceDefinitions of both kinds, for `kubectl apply -f -`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::Usage;

/// Arguments of `crds`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  spire-eks-workload-registrar crds | kubectl apply -f -
  spire-eks-workload-registrar crds --out crds")]
pub struct Arguments {
    /// Write one file for each kind into this folder instead of printing them.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Usage> {
    let definitions = registrar_core::api::definitions()
        .map_err(|error| Usage(vec![format!("the definitions cannot be written as YAML: {error}")]))?;
    for (name, text) in definitions {
        match &arguments.out {
            None => print!("---\n{text}"),
            Some(folder) => {
                let path = folder.join(name);
                std::fs::write(&path, text)
                    .map_err(|error| Usage(vec![format!("{}: {error}", path.display())]))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
