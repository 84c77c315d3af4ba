//! `millstream convert`: a configuration of SRS as one of this server.
//!
//! `grammar` reads what nginx and SRS read; the table here and in `vhost` says what becomes of each
//! directive of SRS 0.7 to 1.0. What has no equal is told, with its place, and left out.

pub mod fuzz;
mod grammar;
mod vhost;

use crate::settings::guard::FILE_LEN_MAX;
use crate::settings::kind::{nearest, quoted};
use crate::settings::problem::{Problem, Problems, Severity, Span};
use crate::settings::{self, DOCS};
use grammar::{Directive, Word};

/// What became of a configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Converted {
    /// What has no equal, or is wrong.
    pub problems: Problems,
    /// The configuration; empty when the text could not be read.
    pub text: String,
}

/// Converts the text of a file.
#[must_use]
pub fn convert(name: &str, bytes: &[u8]) -> Converted {
    let failed = |problem: Problem, text: &str| Converted {
        problems: Problems::new(name, text, vec![problem]),
        text: String::new(),
    };
    if bytes.len() > FILE_LEN_MAX {
        let message = format!("the file has more than {FILE_LEN_MAX} bytes");
        return failed(Problem::new(0..0, message), "");
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        let text = String::from_utf8_lossy(bytes);
        return failed(Problem::new(0..0, "the file is not UTF-8"), &text);
    };
    // Else it would be the begin of the first name.
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let directives = match grammar::parse(text) {
        Ok(directives) => directives,
        Err(problem) => return failed(*problem, text),
    };
    let (marks, problems) = (Vec::new(), Vec::new());
    let mut writer = Writer { out: String::new(), indent: 0, marks, problems };
    writer.global(&directives);
    let Writer { out, indent: _, marks, mut problems } = writer;
    if let Err(wrong) = settings::parse("converted", out.as_bytes()) {
        // The converter knows what it writes; what is wrong was wrong before.
        let wrong = Problems {
            list: wrong.list.into_iter().filter(|it| it.severity == Severity::Error).collect(),
            ..wrong
        };
        for Problem { help, label, message, span, .. } in wrong.list {
            // What was written last before this place has become it.
            let source = marks.iter().rev().find(|(at, _)| *at <= span.start);
            let source = source.map_or(0..0, |(_, source)| source.clone());
            let problem = Problem::new(source, format!("the result has a problem: {message}"));
            problems.push(Problem { help, ..problem.label(label) });
        }
    }
    Converted { problems: Problems::new(name, text, problems), text: out }
}

/// What becomes of an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Change {
    /// It stays as it is.
    Same,
    /// `on` or `off`; what is neither is as usual.
    Switch(bool),
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Kilobits per second.
    Kilobits,
    /// A number.
    Number,
}

struct Writer {
    out: String,
    indent: usize,
    /// Where in the text begins what a directive became, and where that stands.
    marks: Vec<(usize, Span)>,
    problems: Vec<Problem>,
}

/// What has no equal, and what to do about it.
const NO_EQUAL: [(&str, &str); 6] = [
    ("daemon", "let the service manager run it"),
    ("heartbeat", "there is none"),
    ("stats", "there is none"),
    ("ff_log_dir", "it is written into each transcode"),
    ("log_dir", "it is written into each transcode"),
    ("http_api", "the API is where HTTP is"),
];

impl Writer {
    fn global(&mut self, directives: &[Directive]) {
        let (mut seen, mut vhosts) = (Vec::new(), Vec::new());
        let log_directory = ["ff_log_dir", "log_dir"].iter().find_map(|name| {
            let found = directives.iter().find(|directive| directive.name.text == *name)?;
            found.arguments.first().map(|word| word.text.clone())
        });
        for directive in directives {
            let name = directive.name.text.as_str();
            if name != "vhost" && !self.is_first(directive, &mut seen) {
                continue;
            }
            self.mark(directive);
            match name {
                "listen" => self.list(directive, "listen", "listen"),
                "chunk_size" => self.one(directive, "chunk-size", "chunk-size", Change::Number),
                "max_connections" => {
                    self.one(directive, "max-connections", "max-connections", Change::Number);
                }
                "pid" => self.one(directive, "pid", "pid", Change::Same),
                name if LOG.contains(&name) => {
                    let first = directives.iter().find(|it| LOG.contains(&it.name.text.as_str()));
                    if first.is_some_and(|first| first.name.span == directive.name.span) {
                        self.log(directives);
                    }
                }
                "pithy_print" => self.pithy_print(directive),
                "http_stream" => self.http(directive),
                "vhost" => {
                    if self.is_first_vhost(directive, &mut vhosts) {
                        self.vhost(directive, log_directory.as_deref());
                    }
                }
                _ => self.no_equal(directive, &NO_EQUAL, &GLOBAL),
            }
        }
    }

    /// All that is said of the log, as one block.
    fn log(&mut self, directives: &[Directive]) {
        let find = |name: &str| directives.iter().find(|directive| directive.name.text == name);
        self.open("log");
        if let Some(word) = find("srs_log_level").and_then(|found| self.argument(found)) {
            let level = match word.text.as_str() {
                "verbose" => Some("trace"),
                "info" => Some("debug"),
                "trace" => Some("info"),
                "warn" | "error" => Some("warn"),
                _ => None,
            };
            match level {
                Some(level) => self.line(&format!("level {}", quoted(level))),
                None => self.wrong(&word, "expected verbose, info, trace, warn or error"),
            }
        }
        let tank = find("srs_log_tank").and_then(|found| self.argument(found));
        match (tank.as_ref().map(|word| (word.text.as_str(), word)), find("srs_log_file")) {
            (Some(("console", _)), _) | (None, None) => {}
            (Some(("file", _)) | None, Some(file)) => {
                self.one(file, "file", "log.file", Change::Same);
            }
            (Some(("file", _)), None) => self.line("file \"./objs/srs.log\""),
            (Some((_, word)), _) => self.wrong(word, "expected file or console"),
        }
        self.close();
    }

    fn pithy_print(&mut self, directive: &Directive) {
        const STAGES: [(&str, &str); 5] = [
            ("publish", "publish"),
            ("play", "play"),
            ("forwarder", "forward"),
            ("encoder", "transcode"),
            ("hls", "hls"),
        ];
        self.open("pithy-print");
        let mut seen = Vec::new();
        for inner in directive.children.iter().flatten() {
            if !self.is_first(inner, &mut seen) {
                continue;
            }
            let known = STAGES.iter().find(|(name, _)| *name == inner.name.text);
            match known {
                Some((_, name)) => {
                    self.one(inner, name, &format!("pithy-print.{name}"), Change::Millis);
                }
                None => self.no_equal(inner, &[], &["ingester", "edge"]),
            }
        }
        self.close();
    }

    fn http(&mut self, directive: &Directive) {
        let inner =
            |name: &str| directive.children.iter().flatten().find(|inner| inner.name.text == name);
        if is_on(inner("enabled")) {
            match inner("listen") {
                Some(listen) => self.list(listen, "http", "http.listen"),
                None => self.line("http 8080"),
            }
        }
        if let Some(dir) = inner("dir") {
            self.warn(dir, "files of a directory are not served by HTTP", "use a web server");
        }
    }

    /// A directive with one argument.
    fn one(&mut self, directive: &Directive, name: &str, path: &str, change: Change) {
        let Some(word) = self.argument(directive) else { return };
        if let Some(value) = self.value(&word, path, change) {
            self.line(&format!("{name} {value}"));
        }
    }

    /// A directive with several arguments, each of which stays as it is.
    fn list(&mut self, directive: &Directive, name: &str, path: &str) {
        let words: Vec<&Word> =
            directive.arguments.iter().filter(|word| !word.text.is_empty()).collect();
        if words.is_empty() {
            let _ = self.argument(directive);
            return;
        }
        let values: Vec<String> =
            words.iter().filter_map(|word| self.value(word, path, Change::Same)).collect();
        if !values.is_empty() {
            self.line(&format!("{name} {}", values.join(" ")));
        }
    }

    /// An argument as a value of a setting; one that the setting cannot have is a problem.
    fn value(&mut self, word: &Word, path: &str, change: Change) -> Option<String> {
        let text = match change {
            Change::Same => word.text.clone(),
            Change::Switch(usual) => match word.text.as_str() {
                "on" => return Some("#true".into()),
                "off" => return Some("#false".into()),
                _ => {
                    let problem = Problem::new(word.span.clone(), "neither on nor off")
                        .label(format!("SRS takes it for {}", if usual { "on" } else { "off" }));
                    self.problems.push(problem.warning());
                    return Some(format!("#{usual}"));
                }
            },
            Change::Seconds => format!("{}s", word.text),
            Change::Millis => format!("{}ms", word.text),
            Change::Kilobits => format!("{}kbps", word.text),
            Change::Number => word.text.clone(),
        };
        let doc = DOCS.iter().find(|doc| doc.path == path);
        let Some(kind) = doc.and_then(|doc| doc.kind) else {
            return Some(quoted(&text));
        };
        match kind.read_text(&text) {
            Ok(value) => Some(value.write()),
            Err(expected) => {
                self.wrong(word, &expected.help);
                None
            }
        }
    }

    /// The first argument; it is a problem if there is none.
    fn argument(&mut self, directive: &Directive) -> Option<Word> {
        let word = directive.arguments.first().filter(|word| !word.text.is_empty());
        if word.is_none() {
            let message = format!("`{}` has no argument", directive.name.text);
            let problem = Problem::new(directive.name.span.clone(), message);
            // A block says something, as in later versions of SRS: it must not be lost.
            self.problems.push(match directive.children {
                Some(_) => problem.help("write what is in its block as SRS 1.0 does"),
                None => problem.warning(),
            });
        }
        word.cloned()
    }

    /// False for the second use of a directive: SRS looks at the first one only.
    fn is_first(&mut self, directive: &Directive, seen: &mut Vec<(String, Span)>) -> bool {
        let Word { text, span } = &directive.name;
        self.is_new(text.clone(), span, seen)
    }

    /// False for the second vhost of a name. Case is no difference here, as it is for SRS.
    fn is_first_vhost(&mut self, directive: &Directive, seen: &mut Vec<(String, Span)>) -> bool {
        let Some(Word { text, span }) = directive.arguments.first() else { return true };
        self.is_new(text.to_lowercase(), span, seen)
    }

    fn is_new(&mut self, name: String, span: &Span, seen: &mut Vec<(String, Span)>) -> bool {
        if let Some((_, first)) = seen.iter().find(|(known, _)| *known == name) {
            let problem = Problem::new(span.clone(), format!("`{name}` is there twice"))
                .label("SRS ignores it")
                .also(first.clone(), "the first")
                .warning();
            self.problems.push(problem);
            return false;
        }
        seen.push((name, span.clone()));
        true
    }

    /// A directive that this server does not have, or that nobody has.
    fn no_equal(&mut self, directive: &Directive, reasons: &[(&str, &str)], known: &[&str]) {
        let name = directive.name.text.as_str();
        if let Some((_, help)) = reasons.iter().find(|(reason, _)| *reason == name) {
            self.warn(directive, &format!("`{name}` has no equal"), help);
        } else if known.contains(&name) {
            self.warn(directive, &format!("`{name}` has no equal"), "it is left out");
        } else {
            let near = nearest(name, known.iter().copied());
            let help = near.map_or("it is left out".into(), |near| format!("`{near}`?"));
            self.warn(directive, &format!("SRS has no directive `{name}` here"), &help);
        }
    }

    fn warn(&mut self, directive: &Directive, message: &str, help: &str) {
        let problem = Problem::new(directive.name.span.clone(), message).help(help).warning();
        self.problems.push(problem);
    }

    fn wrong(&mut self, word: &Word, help: &str) {
        let mut problem = Problem::new(word.span.clone(), "wrong argument").help(help);
        if GLOBAL.contains(&word.text.as_str()) {
            problem = problem.label("is a ; missing before it?");
        }
        self.problems.push(problem);
    }

    /// What is written from here on is what becomes of a directive.
    fn mark(&mut self, directive: &Directive) {
        self.marks.push((self.out.len(), directive.name.span.clone()));
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(&"    ".repeat(self.indent));
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn open(&mut self, text: &str) {
        self.line(&format!("{text} {{"));
        self.indent += 1;
    }

    /// Ends a block; one with nothing in it is taken back.
    fn close(&mut self) {
        self.indent -= 1;
        if self.out.ends_with("{\n") {
            let begin = self.out.trim_end().rfind('\n').map_or(0, |at| at + 1);
            self.out.truncate(begin);
        } else {
            self.line("}");
        }
    }
}

/// Directives of SRS about the log.
const LOG: [&str; 3] = ["srs_log_file", "srs_log_level", "srs_log_tank"];

/// Directives of SRS at the top of a file.
const GLOBAL: [&str; 15] = [
    "listen",
    "pid",
    "chunk_size",
    "ff_log_dir",
    "log_dir",
    "srs_log_tank",
    "srs_log_level",
    "srs_log_file",
    "max_connections",
    "daemon",
    "heartbeat",
    "stats",
    "http_api",
    "http_stream",
    "pithy_print",
];

fn is_on(directive: Option<&Directive>) -> bool {
    directive
        .is_some_and(|directive| directive.arguments.first().is_some_and(|word| word.text == "on"))
}

#[cfg(test)]
mod tests;
