//! `millstream config show`: the value of every key, and where it came from.

use super::Loaded;
use std::fmt::Write as _;

/// A line for each key: path, values, origin. What may be a key of a stream is not shown.
#[must_use]
pub fn text(loaded: &Loaded) -> String {
    let rows = rows(loaded);
    let width = |column: fn(&Shown) -> usize| rows.iter().map(column).max().unwrap_or(0).min(60);
    let (paths, values) = (width(|row| row.path.len()), width(|row| row.value.len()));
    let mut out = String::new();
    for Shown { path, value, origin, .. } in &rows {
        let _ = writeln!(out, "{path:paths$}  {value:values$}  {origin}");
    }
    out
}

/// The same for programs: an object for each key.
#[must_use]
pub fn json(loaded: &Loaded) -> serde_json::Value {
    let rows = rows(loaded).into_iter().map(|Shown { path, value, origin }| {
        serde_json::json!({ "key": path, "value": value, "origin": origin })
    });
    rows.collect()
}

struct Shown {
    path: String,
    value: String,
    origin: String,
}

fn rows(loaded: &Loaded) -> Vec<Shown> {
    let mut out = Vec::new();
    for row in loaded.settings.rows() {
        if row.path == "pithy-print.every" {
            continue;
        }
        if row.values.is_empty() {
            let (value, origin) = ("-".to_owned(), loaded.origin(&row.path, 0));
            out.push(Shown { path: row.path, value, origin });
            continue;
        }
        for (index, value) in row.values.iter().enumerate() {
            let origin = match row.path.strip_prefix("pithy-print.") {
                Some(_) if !loaded.origins.contains_key(&row.path) => {
                    loaded.origin("pithy-print.every", 0)
                }
                _ => loaded.origin(&row.path, index),
            };
            out.push(Shown { path: row.path.clone(), value: value.show(), origin });
        }
    }
    out
}
