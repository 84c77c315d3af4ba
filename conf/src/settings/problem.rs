//! What is wrong with a configuration, and where.

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};
use std::fmt;
use std::ops::Range;

/// Bytes of a text.
pub type Span = Range<usize>;

/// Problems above this many are counted, not shown.
pub const PROBLEMS_MAX: usize = 100;

/// Characters of a line that is shown whole.
const LINE_SHOWN_MAX: usize = 300;

/// One thing that is wrong with a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// A place that has to do with it, and what it has to do.
    pub also: Option<(Span, String)>,
    /// What to write.
    pub help: Option<String>,
    /// The words under the place.
    pub label: String,
    /// What is wrong.
    pub message: String,
    /// It keeps the server from starting.
    pub severity: Severity,
    /// Where.
    pub span: Span,
}

/// How bad a problem is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// The configuration can be used.
    Warning,
    /// It cannot.
    Error,
}

impl Problem {
    /// An error.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self {
            also: None,
            help: None,
            label: "here".into(),
            message: message.into(),
            severity: Severity::Error,
            span,
        }
    }

    /// With these words under its place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// With what to write.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With another place.
    #[must_use]
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.also = Some((span, label.into()));
        self
    }

    /// As a warning.
    #[must_use]
    pub const fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}

/// All problems of one text, in the order of their places.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problems {
    /// The name of the text: a path.
    pub name: String,
    /// The text; nothing when it could not be read.
    pub text: String,
    /// The problems.
    pub list: Vec<Problem>,
}

impl Problems {
    /// Problems of a text, put in order.
    #[must_use]
    pub fn new(name: &str, text: &str, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| (problem.span.start, problem.span.end));
        list.dedup();
        Self { name: name.into(), text: text.into(), list }
    }

    /// A text that could not be read at all.
    #[must_use]
    pub fn unreadable(name: &str, message: impl Into<String>) -> Self {
        Self::new(name, "", vec![Problem::new(0..0, message)])
    }

    /// Adds other problems of the same text.
    pub fn join(&mut self, other: Self) {
        self.list.extend(other.list);
        self.list.sort_by_key(|problem| (problem.span.start, problem.span.end));
    }

    /// One of them keeps the server from starting.
    #[must_use]
    pub fn are_fatal(&self) -> bool {
        self.list.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Line and column of a byte, counted from 1; columns are characters.
    #[must_use]
    pub fn position(&self, at: usize) -> (usize, usize) {
        position(&self.text, at)
    }

    /// The reports, for people.
    #[must_use]
    pub fn render(&self, look: Look) -> String {
        let theme = match look {
            Look::Plain => GraphicalTheme::unicode_nocolor(),
            Look::Coloured => GraphicalTheme::unicode(),
        };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(100).with_links(false);
        let source = NamedSource::new(&self.name, self.text.clone());
        let mut out = String::new();
        for problem in self.list.iter().take(PROBLEMS_MAX) {
            if self.text.is_empty() {
                out.push_str(&format!("  × {}: {}\n", self.name, problem.message));
                out.extend(problem.help.iter().map(|help| format!("  help: {help}\n")));
            } else if let Some(excerpt) = self.excerpt(problem) {
                out.push_str(&excerpt);
            } else {
                let shown = Shown { problem, source: &source };
                if handler.render_report(&mut out, &shown).is_err() {
                    out.push_str(&problem.message);
                }
            }
            out.push('\n');
        }
        if let Some(more) = self.list.len().checked_sub(PROBLEMS_MAX).filter(|more| *more > 0) {
            out.push_str(&format!("and {more} more\n\n"));
        }
        out
    }

    /// A report of a place in a line that is too long to be shown, if it is.
    fn excerpt(&self, problem: &Problem) -> Option<String> {
        let Span { start, .. } = problem.span;
        let begin = self.text.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text.get(begin..)?.lines().next()?;
        if line.chars().count() <= LINE_SHOWN_MAX {
            return None;
        }
        let before: Vec<char> = line.get(..start - begin)?.chars().collect();
        let before: String = before.iter().skip(before.len().saturating_sub(30)).collect();
        let after: String = line.get(start - begin..)?.chars().take(30).collect();
        let width = before.chars().count() + 4;
        let (number, column) = self.position(start);
        let help = problem.help.as_ref().map_or(String::new(), |help| format!("  help: {help}\n"));
        Some(format!(
            "  × {}\n   ╭─[{}:{number}:{column}]\n   │ ... {before}{after} ...\n   · {:width$}╰── {}\n   \
             ╰────\n{help}",
            problem.message, self.name, "", problem.label
        ))
    }

    /// The reports, for programs: an array of objects.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let problems = self.list.iter().map(|problem| {
            let (line, column) = self.position(problem.span.start);
            serde_json::json!({
                "file": self.name,
                "line": line,
                "column": column,
                "offset": problem.span.start,
                "length": problem.span.len(),
                "severity": problem.severity.to_string(),
                "message": problem.message,
                "label": problem.label,
                "help": problem.help,
            })
        });
        problems.collect()
    }

    /// A line for each, for the log.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.list.iter().take(PROBLEMS_MAX).map(|problem| {
            let (line, column) = self.position(problem.span.start);
            let help = problem.help.as_ref().map_or(String::new(), |help| format!("; {help}"));
            format!("{}:{line}:{column}: {}{help}", self.name, problem.message)
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// How reports look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// For files and pipes.
    Plain,
    /// For terminals.
    Coloured,
}

/// Line and column of a byte of a text, counted from 1; columns are characters.
#[must_use]
pub fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    // Bytes that continue a character are not counted.
    let column = before.iter().skip(start).filter(|byte| **byte & 0xC0 != 0x80).count();
    (line + 1, column + 1)
}

#[derive(Debug)]
struct Shown<'a> {
    problem: &'a Problem,
    source: &'a NamedSource<String>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.severity {
            Severity::Warning => miette::Severity::Warning,
            Severity::Error => miette::Severity::Error,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = |label: &str, span: &Span| {
            LabeledSpan::new(Some(label.to_owned()), span.start, span.len())
        };
        let also = self.problem.also.as_ref();
        let first = LabeledSpan::new_primary_with_span(
            Some(self.problem.label.clone()),
            (self.problem.span.start, self.problem.span.len()),
        );
        Some(Box::new(
            std::iter::once(first).chain(also.map(move |(span, words)| label(words, span))),
        ))
    }
}
