//! `plugin inspect`: what a component's bytes say, and what it says of itself.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Output, Usage, bytes, load, print_json, unusable};
use crate::components;

/// Arguments of `plugin inspect`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The component.
    #[arg(value_name = "FILE")]
    component: PathBuf,
    /// How it is told.
    #[arg(short = 'o', value_name = "FORMAT", default_value = "text")]
    output: Output,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Usage> {
    let path = &arguments.component;
    let bytes = bytes(path)?;
    let inspection = match components::inspect(&bytes) {
        Ok(inspection) => inspection,
        Err(error) => return Ok(unusable(path, &format!("{}: {error}", error.reason()))),
    };
    // A component that cannot be used is told as far as it is known.
    let loaded = load(&bytes);
    let list = |items: &[String]| if items.is_empty() { "nothing".to_owned() } else { items.join(", ") };
    match arguments.output {
        Output::Json => {
            let description = loaded.as_ref().ok().map(|it| &it.description);
            print_json(&json!({
                "digest": inspection.digest.to_string(),
                "size": inspection.size,
                "interface": inspection.version,
                "imports": inspection.imports,
                "exports": inspection.exports,
                "name": description.map(|it| &it.name),
                "version": description.map(|it| &it.version),
                "reads": description.map(|it| it.reads.facts().map(|fact| fact.name()).collect::<Vec<_>>()),
                "problem": loaded.as_ref().err().map_or(Value::Null, |why| why.as_str().into()),
            }))?;
        }
        Output::Text => {
            println!("digest     {}", inspection.digest);
            println!("size       {}", inspection.size);
            println!("interface  {}", inspection.version.as_deref().unwrap_or("none that is known"));
            println!("imports    {}", list(&inspection.imports));
            println!("exports    {}", list(&inspection.exports));
            if let Ok(loaded) = &loaded {
                println!("name       {}", loaded.description);
                println!("reads      {}", loaded.description.reads);
            }
        }
    }
    match loaded {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(why) => Ok(unusable(path, &why)),
    }
}
