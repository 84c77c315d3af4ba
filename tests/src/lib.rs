//! Shared by the conformance, interop and capture tests beside it.
