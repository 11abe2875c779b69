//! `plugin inspect`: what a component's bytes say, and what it says of itself.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use registrar_core::plugin::Digest;

use super::image::{self, Login};
use super::{Output, Usage, bytes, load, print_json, unusable};
use crate::components::{self, ComponentError};

/// Arguments of `plugin inspect`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  spire-eks-workload-registrar plugin inspect my-plugin.wasm
  spire-eks-workload-registrar plugin inspect oci://registry.example/plugins/my-plugin:1.0.0")]
pub struct Arguments {
    /// The component: a file, or an image as oci://REGISTRY/REPOSITORY@sha256:DIGEST or oci://REGISTRY/REPOSITORY:TAG.
    #[arg(value_name = "FILE|oci://IMAGE")]
    component: String,
    #[command(flatten)]
    login: Login,
    /// How it is told.
    #[arg(short = 'o', value_name = "FORMAT", default_value = "text")]
    output: Output,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Usage> {
    let place = &arguments.component;
    let (bytes, image) = match image::reference(place) {
        None => (bytes(Path::new(place))?, None),
        Some(reference) => match image::pull(reference, &arguments.login)? {
            Ok(pulled) => {
                let repository = reference.split('@').next().unwrap_or_default();
                let image = format!("oci://{}@{}", without_tag(repository), pulled.manifest);
                (pulled.component, Some(image))
            }
            Err(why) => return Ok(unusable(place, &format!("PluginNotFetched: {why}"))),
        },
    };
    let inspection = match components::inspect(&bytes) {
        Ok(inspection) => inspection,
        Err(error) => return not_wasm(arguments, &bytes, image, &error),
    };
    // A component that cannot be used is told as far as it is known.
    let loaded = load(&bytes);
    let list = |items: &[String]| if items.is_empty() { "nothing".to_owned() } else { items.join(", ") };
    match arguments.output {
        Output::Json => {
            let description = loaded.as_ref().ok().map(|it| &it.description);
            print_json(&json!({
                "image": image,
                "digest": inspection.digest.to_string(),
                "size": inspection.size,
                "precompiled": false,
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
            image.iter().for_each(|image| println!("image      {image}"));
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
        Err(why) => Ok(unusable(place, &why)),
    }
}

/// The repository of `REGISTRY/REPOSITORY:TAG`; a registry's port is no tag.
fn without_tag(place: &str) -> &str {
    match place.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => place,
    }
}

/// Tells what is no component: what it is and how large, and whether it was one before it was compiled.
fn not_wasm(
    arguments: &Arguments,
    bytes: &[u8],
    image: Option<String>,
    error: &ComponentError,
) -> Result<ExitCode, Usage> {
    let (digest, precompiled) = (Digest::of(bytes), *error == ComponentError::Precompiled);
    let why = format!("{}: {error}", error.reason());
    match arguments.output {
        Output::Json => print_json(&json!({
            "image": image,
            "digest": digest.to_string(),
            "size": bytes.len(),
            "precompiled": precompiled,
            "problem": why,
        }))?,
        Output::Text => {
            image.iter().for_each(|image| println!("image      {image}"));
            println!("digest     {digest}");
            println!("size       {}", bytes.len());
        }
    }
    Ok(unusable(&arguments.component, &why))
}
