//! Why a difference to a recorded server is well.

use super::Connection;
use super::compare::Difference;

/// The reason, if there is a known one.
pub(super) fn explain(
    _difference: &Difference,
    _connection: &Connection,
    _connections: &[Connection],
) -> Option<&'static str> {
    None
}
