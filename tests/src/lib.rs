//! What the conformance, interop and capture tests share.
//!
//! - [`tree`]: the files of the repository, for the house rules.
pub mod tree;
