//! Numbers about each connection.

use super::Replay;

pub(super) fn render(_replay: &Replay) -> String {
    String::new()
}
