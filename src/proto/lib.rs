//! SPIRE's Entry and Agent APIs as generated code: messages, a client, and with the feature `server` the service's trait.
//!
//! `generated/` is written by the package in `generate/` and committed, so that a build needs no protoc.

/// Messages that SPIRE's services share (`spire.api.types`).
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
pub mod types {
    include!("generated/spire.api.types.rs");
}

/// The Entry service (`spire.api.server.entry.v1`).
pub mod entry {
    pub use api::server::entry::v1::*;

    // Generated code names its neighbours by paths relative to the protos' packages.
    mod api {
        pub(super) mod server {
            pub(in super::super) mod entry {
                #[allow(
                    missing_docs,
                    unused_qualifications,
                    clippy::all,
                    clippy::allow_attributes_without_reason,
                    reason = "generated"
                )]
                pub mod v1 {
                    include!("generated/spire.api.server.entry.v1.rs");
                }
            }
        }
        use crate::types;
    }
}

/// The Agent service (`spire.api.server.agent.v1`).
pub mod agent {
    pub use api::server::agent::v1::*;

    // Generated code names its neighbours by paths relative to the protos' packages.
    mod api {
        pub(super) mod server {
            pub(in super::super) mod agent {
                #[allow(
                    missing_docs,
                    unused_qualifications,
                    clippy::all,
                    clippy::allow_attributes_without_reason,
                    reason = "generated"
                )]
                pub mod v1 {
                    include!("generated/spire.api.server.agent.v1.rs");
                }
            }
        }
        use crate::types;
    }
}
