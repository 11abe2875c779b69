//! The simulated outside of the registrar: Kubernetes API servers, a SPIRE server, EKS and STS, on loopback.
