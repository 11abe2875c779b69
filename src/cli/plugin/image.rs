//! A component out of a registry, with the login that its user has for other tools.

use docker_credential::{CredentialRetrievalError, DockerCredential};
use registrar_core::plugin::Digest;

use super::Usage;
use crate::components::source;

/// What is read of a registry at most; what the registrar takes, its configuration says.
const MOST: u64 = 256 << 20;

/// How a registry is logged in to. Without it: as `docker login` and `podman login` did.
#[derive(clap::Args)]
pub struct Login {
    /// The user, for oci://. Absent: what `docker login` or `podman login` keeps for the registry, credential helpers too.
    #[arg(long, value_name = "NAME", requires = "password_stdin")]
    username: Option<String>,
    /// Read that user's password from standard input.
    #[arg(long, requires = "username")]
    password_stdin: bool,
}

/// A component, and the image that it came out of.
pub struct Pulled {
    /// Its bytes.
    pub component: Vec<u8>,
    /// The digest of the image's manifest.
    pub manifest: Digest,
}

/// What follows `oci://`, where it is an image.
pub fn reference(component: &str) -> Option<&str> {
    component.strip_prefix("oci://")
}

/// Pulls an image by its digest or tag; the outer error is one of usage.
pub fn pull(reference: &str, login: &Login) -> Result<Result<Pulled, String>, Usage> {
    let registry = reference.split('/').next().unwrap_or_default();
    let login = match login.username.clone() {
        Some(user) => Some((user, password()?)),
        None => kept(registry)?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Usage(vec![format!("the runtime cannot be started: {error}")]))?;
    let pulled = runtime.block_on(source::pull(reference, login, MOST));
    Ok(pulled.map(|(manifest, component)| Pulled { component, manifest }))
}

fn password() -> Result<String, Usage> {
    let text = std::io::read_to_string(std::io::stdin());
    let text = text.map_err(|error| Usage(vec![format!("--password-stdin: {error}")]))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// User and password that docker or podman keep; none where neither knows the registry.
fn kept(registry: &str) -> Result<Option<(String, String)>, Usage> {
    for find in [docker_credential::get_credential, docker_credential::get_podman_credential] {
        match find(registry) {
            Ok(DockerCredential::UsernamePassword(user, password)) => return Ok(Some((user, password))),
            Ok(DockerCredential::IdentityToken(_)) => {
                let told = "an identity token is kept for it, which is not known here: give --username and --password-stdin";
                return Err(Usage(vec![format!("{registry}: {told}")]));
            }
            Err(error) => told(registry, error)?,
        }
    }
    Ok(None)
}

/// That there is no file, or nothing of the registry in it, is as good an answer as another.
fn told(registry: &str, error: CredentialRetrievalError) -> Result<(), Usage> {
    use CredentialRetrievalError as Error;
    let why = match error {
        Error::ConfigNotFound | Error::ConfigReadError | Error::NoCredentialConfigured => return Ok(()),
        // It says so of what it was never given.
        Error::HelperFailure { stdout, .. } if stdout.contains("credentials not found") => return Ok(()),
        // What else it prints may be a credential.
        Error::HelperFailure { helper, .. } => format!("{helper} fails"),
        error => error.to_string(),
    };
    Err(Usage(vec![format!("the login that is kept for {registry}: {why}")]))
}
