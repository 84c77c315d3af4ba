//! `millstream config doc`: the reference of all keys, as Markdown.

use super::kind::Value;
use super::schema::{Count, Doc};
use super::{DOCS, variable};
use std::fmt::Write as _;

/// The reference.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(HEAD);
    let _ = writeln!(out, "## At the top\n");
    table(&mut out, "");
    let blocks: Vec<&Doc> = DOCS.iter().filter(|doc| doc.kind.is_none()).collect();
    for block in blocks {
        let title = block.title.map_or(String::new(), |title| format!(" {title}"));
        let names: Vec<&str> = block.path.split('.').collect();
        let _ = writeln!(out, "\n## `{}{title}`\n\n{}\n", names.join(" > "), block.doc);
        table(&mut out, &block.path);
    }
    while out.ends_with("\n\n") {
        out.pop();
    }
    out
}

const HEAD: &str = "# Settings

Made by `millstream config doc`. A file is [KDL](https://kdl.dev): a name and its value on a line, blocks in braces,
comments behind `//`, and `/-` before what is to be ignored. Within a block, `name=value` behind its name says the same
as a line in the braces. Flags override variables, these override the file; variables of a vhost are for all vhosts.

*live* says when a changed value shows after `millstream reload`.

";

fn table(out: &mut String, block: &str) {
    let inside = |doc: &&Doc| match doc.path.rsplit_once('.') {
        Some((around, _)) => around == block,
        None => block.is_empty(),
    };
    let rows: Vec<&Doc> = DOCS.iter().filter(inside).filter(|doc| doc.kind.is_some()).collect();
    if rows.is_empty() {
        return;
    }
    out.push_str("| name | value | default | live | meaning |\n|---|---|---|---|---|\n");
    for doc in rows {
        let name = doc.path.rsplit('.').next().unwrap_or_default();
        let kind = doc.kind.map_or(String::new(), super::kind::Kind::describe);
        let many = if doc.count == Count::Many { "; several, also on several lines" } else { "" };
        let default: Vec<String> =
            doc.default.iter().map(Value::write).map(|text| format!("`{text}`")).collect();
        let variable = variable(doc).map_or(String::new(), |name| format!(" `{name}`"));
        let _ = writeln!(
            out,
            "| `{name}` | {kind}{many} | {} | {} | {}{variable} |",
            default.join(" "),
            doc.live.describe(),
            doc.doc,
        );
    }
}
