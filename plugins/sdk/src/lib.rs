//! Plugins of the SPIRE EKS Workload Registrar, in Rust.
//!
//! A plugin is a WebAssembly component that decides which SPIFFE identities a pod gets. It is handed the facts that it
//! asked for and its configuration, and returns a decision; it can reach nothing else. This crate is the component's
//! side of the interface `spire-eks-workload-registrar:plugin@0.1.0`: implement [`Plugin`], name the type in [`export!`].
//!
//! ```
//! use registrar_plugin::{Decision, Facts, Failure, Plugin, Workload, export};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     label: String,
//! }
//!
//! struct ByLabel;
//!
//! impl Plugin for ByLabel {
//!     type Config = Config;
//!     const NAME: &'static str = "by-label";
//!     const VERSION: &'static str = "1.0.0";
//!
//!     fn reads() -> Facts {
//!         Facts::NAMESPACE | Facts::POD_LABELS
//!     }
//!
//!     fn derive(workload: &Workload, config: &Config) -> Result<Decision, Failure> {
//!         match workload.pod_label(&config.label) {
//!             None => Ok(Decision::skip(format!("the pod has no label {}", config.label))),
//!             Some(value) => Ok(workload.identity(["ns", &workload.namespace, value])?.into()),
//!         }
//!     }
//! }
//!
//! export!(ByLabel);
//!
//! // A test needs no Wasm. It sees what the component would see: facts that `reads` does not name are absent.
//! use registrar_plugin::testing;
//! let workload = Workload {
//!     namespace: "payments".to_owned(),
//!     pod_labels: testing::labels([("app", "api")]),
//!     ..Workload::default()
//! };
//! let decision = testing::derive::<ByLabel>(&workload, r#"{"label": "app"}"#)?;
//! assert_eq!(decision.spiffe_ids(), ["spiffe://example.org/ns/payments/api"]);
//! let problems = testing::validate::<ByLabel>(r#"{"label": 7}"#).unwrap_err();
//! assert_eq!(problems[0].field, "label");
//! # Ok::<(), Failure>(())
//! ```
//!
//! # What cannot go wrong silently
//!
//! [`SpiffeId`], [`Identity`] and [`Decision`] can only be made valid: an empty label, a `/` in an annotation, a path under
//! `/spire/`, a DNS name with an underscore is an [`Invalid`] that says what is wrong with which text. `?` makes it the
//! pod's [`Failure`]; the pod keeps the entries that it has.
//!
//! # What a panic does
//!
//! The call traps, and the message is lost, because a component has nowhere to write it. Return a [`Failure`] instead.

#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub mod component;
mod decision;
mod spiffe;
pub mod testing;
mod workload;

pub use decision::{Decision, Identities, Identity};
pub use spiffe::{Invalid, SpiffeId};

#[doc(inline)]
pub use bindings::exports::spire_eks_workload_registrar::plugin::identity::{
    Container, Facts, Failure, OwnerReference, Problem, Workload,
};

use serde::de::DeserializeOwned;

/// What decides: implement it for a type of your own and name that in [`export!`].
///
/// Each call runs in an instance of its own, so there is nothing to keep: all is in the arguments. Equal arguments must
/// give equal decisions; pods that are equal in what [`reads`](Plugin::reads) names share one call.
pub trait Plugin {
    /// `spec.plugin.config` of an identity. Take `#[serde(deny_unknown_fields)]`: a mistyped name is then told when the
    /// object is admitted. `serde_json::Value` where there is nothing to configure.
    type Config: DeserializeOwned;

    /// For messages; 1 to 63 characters.
    const NAME: &'static str;

    /// The component's own version: `env!("CARGO_PKG_VERSION")`.
    const VERSION: &'static str;

    /// The facts that `derive` is handed. The fewer, the fewer calls.
    fn reads() -> Facts;

    /// What is wrong with a configuration beyond its shape; all problems at once.
    fn check(config: &Self::Config) -> Vec<Problem> {
        let _ = config;
        Vec::new()
    }

    /// Decides over one pod. A failure leaves it the entries that it has and is told on the identity.
    fn derive(workload: &Workload, config: &Self::Config) -> Result<Decision, Failure>;
}

impl Problem {
    /// `field` says where, such as `teams[2].name`; empty is the configuration as a whole.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl Failure {
    /// Says what was wrong with what and what would be right.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        Self::new(invalid.to_string())
    }
}

/// Makes a type that is a [`Plugin`] what the component exports. Once in a crate whose `crate-type` is `cdylib`; on other
/// targets than Wasm it only checks the name.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        const _: () = {
            let length = <$plugin as $crate::Plugin>::NAME.len();
            assert!(length >= 1 && length <= 63, "Plugin::NAME must have 1 to 63 characters");
            #[cfg(target_arch = "wasm32")]
            mod exported {
                use super::*;
                type Component = $crate::component::Component<$plugin>;
        $crate::bindings::export!(Component with_types_in $crate::bindings);
            }
        };
    };
}
