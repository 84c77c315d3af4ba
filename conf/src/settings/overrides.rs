//! What overrides a file: variables and flags, as texts in which problems have their places.

use super::kind::Value;
use super::problem::{Problem, Problems, Severity, Span};
use super::{
    Count, DOCS, Doc, FILE_VARIABLE, Loaded, Origin, Override, Source, near_variable, variable,
};
use std::collections::BTreeMap;

/// Variables, or flags.
pub(super) struct Overrides {
    name: &'static str,
    places: BTreeMap<String, Span>,
    /// What is wrong with them.
    pub(super) problems: Vec<Problem>,
    text: String,
}

impl Overrides {
    fn new(name: &'static str) -> Self {
        Self { name, places: BTreeMap::new(), problems: Vec::new(), text: String::new() }
    }

    /// Where a variable or a flag has set something.
    pub(super) fn place(&self, origin: &Origin) -> Option<Span> {
        match origin {
            Origin::Environment(name) => self.places.get(name).cloned(),
            Origin::Flag(flag) => self.places.get(*flag).cloned(),
            Origin::Default | Origin::File(_) => None,
        }
    }

    /// Tells `loaded` what is odd.
    ///
    /// # Errors
    /// All of it, if something is wrong.
    pub(super) fn finish(self, loaded: &mut Loaded) -> Result<(), Problems> {
        if self.problems.iter().any(|problem| problem.severity == Severity::Error) {
            return Err(Problems::new(self.name, &self.text, self.problems));
        }
        let warnings = self.problems.into_iter().map(|it| Problem { span: 0..0, ..it });
        loaded.warnings.list.extend(warnings);
        Ok(())
    }

    /// Adds a line; gives the place of its value.
    fn line(&mut self, key: &str, between: char, value: &str) -> Span {
        let begin = self.text.len() + key.len() + between.len_utf8();
        self.text.push_str(&format!("{key}{between}{value}\n"));
        let span = begin..begin + value.len();
        self.places.insert(key.to_owned(), span.clone());
        span
    }

    fn variable(&mut self, loaded: &mut Loaded, name: &str, value: &str, doc: &Doc) {
        let Some(kind) = doc.kind else { return };
        let span = self.line(name, '=', value);
        let parts: Vec<&str> = match doc.count {
            Count::One => vec![value],
            Count::Many => value.split(',').map(str::trim).collect(),
        };
        let mut values = Vec::new();
        for part in parts {
            match kind.read_text(part) {
                Ok(value) => values.push(value),
                Err(expected) => self.problems.push(
                    Problem::new(span.clone(), format!("wrong value of {name}"))
                        .label(expected.label)
                        .help(expected.help),
                ),
            }
        }
        loaded.settings.set(&doc.path, &values);
        loaded.mark(&doc.path, &Origin::Environment(name.to_owned()), values.len());
    }
}

/// Sets what variables set.
pub(super) fn read_environment(source: &Source, loaded: &mut Loaded) -> Overrides {
    let mut overrides = Overrides::new("environment");
    let known: Vec<(String, &Doc)> =
        DOCS.iter().filter_map(|doc| Some((variable(doc)?, doc))).collect();
    for (name, value) in &source.environment {
        if name == FILE_VARIABLE {
            continue;
        }
        if let Some((_, doc)) = known.iter().find(|(known, _)| known == name) {
            overrides.variable(loaded, name, value, doc);
            continue;
        }
        let names: Vec<String> = known.iter().map(|(known, _)| known.clone()).collect();
        // Variables of other programs may begin alike.
        if let Some(near) = near_variable(name, &names) {
            let message = format!("unknown variable {name}; did you mean {near}?");
            overrides.problems.push(Problem::new(0..0, message).warning());
        }
    }
    for name in &source.no_text {
        if known.iter().any(|(known, _)| known == name) {
            let span = overrides.line(name, '=', "\u{FFFD}");
            let problem = Problem::new(span, format!("the value of {name} is not UTF-8"));
            overrides.problems.push(problem.label("this is no text"));
        }
    }
    overrides
}

/// Sets what flags set.
pub(super) fn read_flags(source: &Source, loaded: &mut Loaded) -> Overrides {
    let mut overrides = Overrides::new("flags");
    for Override { flag, path, values } in &source.flags {
        let shown: Vec<String> = values.iter().map(Value::show).collect();
        overrides.line(flag, ' ', &shown.join(" "));
        loaded.settings.set(path, values);
        loaded.mark(path, &Origin::Flag(flag), values.len());
    }
    overrides
}
