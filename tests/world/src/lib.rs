//! The simulated outside.
