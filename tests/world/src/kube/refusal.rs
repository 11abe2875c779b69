//! What the API server says when it does not do what it was asked.

use serde_json::{Value, json};

use super::resource::Resource;

/// An error of the API: an HTTP status code with a `Status` object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: u16,
    /// Empty: the answer is the bare message.
    reason: &'static str,
    message: String,
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into() }
    }

    pub(super) fn not_found(resource: &Resource, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {name:?} not found", resource.qualified()))
    }

    /// What is said of a kind whose definition is not installed, as of any path that nothing is at.
    pub(super) fn no_such_resource() -> Self {
        Self::new(
            404,
            "",
            "404 page not found
",
        )
    }

    pub(super) fn already_exists(resource: &Resource, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} {name:?} already exists", resource.qualified()))
    }

    pub(super) fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", resource.qualified());
        Self::new(409, "Conflict", message)
    }

    /// The object was changed since the writer read it.
    pub(super) fn stale(resource: &Resource, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    pub(super) fn apply_conflict(fields: &[(String, String)]) -> Self {
        let told: Vec<String> =
            fields.iter().map(|(field, manager)| format!("conflict with {manager:?}: {field}")).collect();
        let count = match fields.len() {
            1 => "1 conflict".to_owned(),
            count => format!("{count} conflicts"),
        };
        Self::new(409, "Conflict", format!("Apply failed with {count}: {}", told.join(", ")))
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(422, "Invalid", message)
    }

    /// A field of an object that cannot be as it was asked for.
    pub(super) fn invalid_field(resource: &Resource, name: &str, problem: &str) -> Self {
        Self::invalid(format!("{} {name:?} is invalid: {problem}", resource.qualified()))
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn unsupported_media_type(found: &str) -> Self {
        Self::new(
            415,
            "UnsupportedMediaType",
            format!("the body of the request was in an unknown format: {found}"),
        )
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// A watch from, or a page of, what is no longer kept.
    pub(super) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(super) fn forbidden(resource: &Resource) -> Self {
        let message = format!("{} is forbidden: User cannot read or write it", resource.qualified());
        Self::new(403, "Forbidden", message)
    }

    /// A failure that a test asked for.
    pub(super) fn ordered(code: u16) -> Self {
        let reason = match code {
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            409 => "Conflict",
            410 => "Expired",
            429 => "TooManyRequests",
            500 => "InternalError",
            503 => "ServiceUnavailable",
            504 => "Timeout",
            _ => "Unknown",
        };
        Self::new(code, reason, format!("the simulated API server was told to answer {code}"))
    }

    /// The body of the answer.
    pub(super) fn body(&self) -> String {
        if self.reason.is_empty() { self.message.clone() } else { self.status().to_string() }
    }

    /// The `Status` object.
    pub(super) fn status(&self) -> Value {
        json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        })
    }
}
