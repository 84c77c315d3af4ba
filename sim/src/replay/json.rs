//! The replay as one JSON document.

use super::Replay;

pub(super) fn render(_replay: &Replay) -> String {
    String::new()
}
