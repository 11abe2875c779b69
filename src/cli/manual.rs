//! `completions` and `man`: what shells and `man` are told of the command line, made from its definition.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::Usage;

/// Arguments of `completions`.
#[derive(clap::Args)]
#[command(after_help = "Example:
  spire-eks-workload-registrar completions bash > /etc/bash_completion.d/spire-eks-workload-registrar")]
pub struct Completions {
    /// The shell that reads them.
    shell: Shell,
}

/// Arguments of `man`.
#[derive(clap::Args)]
#[command(after_help = "Example:
  spire-eks-workload-registrar man --out /usr/local/share/man/man1")]
pub struct Man {
    /// A folder to write a page of each command into; without it, the page of the whole is printed.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// Prints a shell's completions.
pub fn completions<C: CommandFactory>(arguments: &Completions) -> Result<ExitCode, Usage> {
    let mut command = C::command();
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, name, &mut text);
    super::token::print(&String::from_utf8_lossy(&text))
}

/// Prints or writes manual pages.
pub fn man<C: CommandFactory>(arguments: &Man) -> Result<ExitCode, Usage> {
    let command = C::command();
    let Some(folder) = &arguments.out else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(command).render(&mut page);
        rendered.map_err(|error| Usage(vec![error.to_string()]))?;
        return super::token::print(&String::from_utf8_lossy(&page));
    };
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    written.map_err(|error| Usage(vec![format!("{}: {error}", folder.display())]))?;
    Ok(ExitCode::SUCCESS)
}
