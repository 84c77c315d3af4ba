//! All that can be set: by a file, by the environment, by flags; the later overrides.
//!
//! `Source::load` gives settings with the origin of each, or all that is wrong. One table (`table`,
//! `transcode`) says what there is; `decode` reads, `show` and `reference` tell, `plan` compares.

mod check;
mod decode;
pub mod encoders;
pub mod fuzz;
pub mod guard;
pub mod kind;
mod overrides;
pub mod plan;
pub mod problem;
pub mod reference;
mod schema;
pub mod show;
mod table;
mod transcode;

use crate::cli::{Listen, LogFormat, LogLevel};
use decode::Decoder;
use guard::guard;
use kdl::KdlDocument;
use kind::{Value, nearest};
use millstream_core::config::Config;
use problem::{Problem, Problems, Span};
pub use schema::{Count, Doc, Live, Row};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// Where a server reads its file when no flag says so.
pub const FILE_VARIABLE: &str = "MILLSTREAM_CONFIG";

/// How variables of settings begin.
const PREFIX: &str = "MILLSTREAM_";

/// All that can be set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// What the core is told. The listeners are left to who binds them.
    pub config: Config,
    /// There is HTTP.
    pub http_enabled: bool,
    /// Addresses for HTTP; none for the usual one.
    pub http_listen: Vec<Listen>,
    /// Addresses for RTMP.
    pub listen: Vec<Listen>,
    /// Where the log is written; to the standard error when there is no file.
    pub log_file: Option<Arc<str>>,
    /// The form of log lines.
    pub log_format: LogFormat,
    /// The least important lines that are written.
    pub log_level: LogLevel,
    /// Where the id of the process is written.
    pub pid_file: Option<Arc<str>>,
    /// Threads that serve; one for each core when there is no number.
    pub workers: Option<u16>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            config: Config::default(),
            http_enabled: true,
            http_listen: Vec::new(),
            listen: vec![Listen::Any { port: 1935 }],
            log_file: None,
            log_format: LogFormat::Human,
            log_level: LogLevel::Info,
            pid_file: None,
            workers: None,
        }
    }
}

impl Settings {
    /// Where to listen for HTTP, and what it means when that is not possible.
    #[must_use]
    pub fn http_listeners(&self) -> HttpListeners {
        let is_default = self.http_enabled && self.http_listen.is_empty();
        let usual = || match self.listen.first() {
            Some(Listen::At(at)) if at.port() == 0 => Listen::At(*at),
            Some(Listen::Any { port: 0 }) => Listen::Any { port: 0 },
            Some(first) => first.with_port(HTTP_PORT),
            None => Listen::Any { port: HTTP_PORT },
        };
        let listen = match (self.http_enabled, is_default) {
            (false, _) => Vec::new(),
            (true, true) => vec![usual()],
            (true, false) => self.http_listen.clone(),
        };
        HttpListeners { listen, is_default }
    }

    /// All settings with their values, in the order of the reference.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        schema::rows(table::SETTINGS, self, "", &mut rows);
        rows
    }

    /// The settings as a file: what is as usual is left out.
    #[must_use]
    pub fn write(&self) -> String {
        let mut out = String::new();
        let mut usual = Self::default();
        // A file that names no vhost has the usual one; else all are named.
        if self.config.vhosts == usual.config.vhosts {
            let mut plain = self.clone();
            plain.config.vhosts.clear();
            usual.config.vhosts.clear();
            schema::write(table::SETTINGS, &plain, &usual, 0, &mut out);
        } else {
            schema::write(table::SETTINGS, self, &usual, 0, &mut out);
        }
        out
    }

    /// Takes the values over that only a restart changes: they are in force until then.
    pub fn keep_until_restart(&mut self, old: &Self) {
        for row in old.rows().into_iter().filter(|row| row.live == Live::Restart) {
            self.set(&row.path, &row.values);
        }
    }

    /// Sets a value by the path of its key; what stands in vhosts is set in all of them.
    ///
    /// # Panics
    /// There is no such key: paths are those of the table.
    pub fn set(&mut self, path: &str, values: &[Value]) {
        let is_known = schema::set_path(table::SETTINGS, self, path, values);
        assert!(is_known, "{path} is no setting");
    }
}

/// The port of HTTP when nobody says another one.
const HTTP_PORT: u16 = 8_080;

/// Where to listen for HTTP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpListeners {
    /// The addresses.
    pub listen: Vec<Listen>,
    /// Nobody asked for it: the server starts without it if another program has the port.
    pub is_default: bool,
}

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// From nowhere: it is as usual.
    Default,
    /// From the environment: a variable.
    Environment(String),
    /// From the file: a place.
    File(Span),
    /// From a flag.
    Flag(&'static str),
}

/// Where values come from, by the paths of their keys; a list has an origin for each value.
pub type Origins = BTreeMap<String, Vec<Origin>>;

/// A value that a flag sets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Override {
    /// The flag.
    pub flag: &'static str,
    /// The path of the key.
    pub path: &'static str,
    /// Its values.
    pub values: Vec<Value>,
}

/// Where settings are read from, now and at each reload.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Source {
    /// Variables with their values.
    pub environment: Vec<(String, String)>,
    /// The file.
    pub file: Option<PathBuf>,
    /// The flags.
    pub flags: Vec<Override>,
    /// Variables whose values are no text.
    pub no_text: Vec<String>,
}

/// Settings that can be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// The name of the file; empty when there is none.
    pub name: String,
    /// Where each value comes from.
    pub origins: Origins,
    /// The settings.
    pub settings: Settings,
    /// The text of the file.
    pub text: String,
    /// What is odd, but not wrong.
    pub warnings: Problems,
}

impl Source {
    /// A source with the variables of this process.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Override>) -> Self {
        Self::of(file, flags, std::env::vars_os())
    }

    fn of(
        file: Option<PathBuf>,
        flags: Vec<Override>,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Self {
        let mut source = Self { file, flags, ..Self::default() };
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            if !name.starts_with(PREFIX) {
                continue;
            }
            if name == FILE_VARIABLE && source.file.is_none() {
                source.file = Some(PathBuf::from(&value));
            }
            match value.into_string() {
                Ok(value) => source.environment.push((name, value)),
                Err(_) => source.no_text.push(name),
            }
        }
        source.environment.sort();
        source.no_text.sort();
        source
    }

    /// Reads all of them.
    ///
    /// # Errors
    /// All that is wrong; the file first.
    pub fn load(&self) -> Result<Loaded, Vec<Problems>> {
        let mut wrong = Vec::new();
        let (mut loaded, mut problems) = self.read_file().unwrap_or_else(|unreadable| {
            wrong.push(unreadable);
            (Loaded::usual(), Vec::new())
        });
        let mut variables = overrides::read_environment(self, &mut loaded);
        let mut flags = overrides::read_flags(self, &mut loaded);
        // What is right in a file can be wrong with what overrides a part of it.
        for found in check::check(&loaded.settings, &loaded.origins) {
            match found.at {
                Origin::Default | Origin::File(_) => problems.push(found.place(check::in_file)),
                Origin::Environment(_) => {
                    let problem = found.place(|origin| variables.place(origin));
                    variables.problems.push(problem);
                }
                Origin::Flag(_) => {
                    let problem = found.place(|origin| flags.place(origin));
                    flags.problems.push(problem);
                }
            }
        }
        let problems = Problems::new(&loaded.name, &loaded.text, problems);
        if problems.are_fatal() {
            wrong.push(problems);
        } else {
            loaded.warnings = problems;
        }
        wrong.extend(variables.finish(&mut loaded).err());
        wrong.extend(flags.finish(&mut loaded).err());
        if wrong.is_empty() { Ok(loaded) } else { Err(wrong) }
    }

    fn read_file(&self) -> Result<(Loaded, Vec<Problem>), Problems> {
        let Some(path) = &self.file else { return Ok((Loaded::usual(), Vec::new())) };
        let name = path.display().to_string();
        match read_file(path) {
            Ok(bytes) => decode(&name, &bytes),
            Err(message) => Err(Problems::unreadable(&name, message)),
        }
    }
}

impl Loaded {
    /// What holds when nothing is set.
    #[must_use]
    pub fn usual() -> Self {
        Self {
            name: String::new(),
            origins: Origins::new(),
            settings: Settings::default(),
            text: String::new(),
            warnings: Problems::new("", "", Vec::new()),
        }
    }

    /// Where the value at a path comes from, in words: `default`, `file 4:5`, `--flag`, `VARIABLE`.
    #[must_use]
    pub fn origin(&self, path: &str, index: usize) -> String {
        let origins = self.origins.get(path);
        match origins.and_then(|origins| origins.get(index).or_else(|| origins.first())) {
            None | Some(Origin::Default) => "default".into(),
            Some(Origin::Environment(name)) => name.clone(),
            Some(Origin::Flag(flag)) => (*flag).into(),
            Some(Origin::File(span)) => {
                let (line, column) = problem::position(&self.text, span.start);
                format!("{}:{line}:{column}", self.name)
            }
        }
    }

    /// A problem of a value, such as an address that cannot be bound, shown where the value was set.
    #[must_use]
    pub fn problem_at(&self, path: &str, index: usize, message: &str) -> Option<Problems> {
        let origins = self.origins.get(path)?;
        let Origin::File(span) = origins.get(index).or_else(|| origins.first())? else {
            return None;
        };
        let problem = Problem::new(span.clone(), message).label("set here");
        Some(Problems::new(&self.name, &self.text, vec![problem]))
    }

    fn mark(&mut self, path: &str, origin: &Origin, count: usize) {
        let origins = vec![origin.clone(); count];
        let Some(inner) = path.strip_prefix("vhost.") else {
            self.origins.insert(path.to_owned(), origins);
            return;
        };
        for name in self.settings.config.vhosts.keys() {
            self.origins.insert(format!("vhost[{name}].{inner}"), origins.clone());
        }
    }
}

/// Reads the text of a file.
///
/// # Errors
/// All that is wrong with it.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Loaded, Problems> {
    let (loaded, mut problems) = decode(name, bytes)?;
    let found = check::check(&loaded.settings, &loaded.origins).into_iter();
    problems.extend(found.map(|found| found.place(check::in_file)));
    let problems = Problems::new(name, &loaded.text, problems);
    if problems.are_fatal() {
        return Err(problems);
    }
    Ok(Loaded { warnings: problems, ..loaded })
}

/// Reads the text of a file, and what is wrong with it by itself.
fn decode(name: &str, bytes: &[u8]) -> Result<(Loaded, Vec<Problem>), Problems> {
    let text = guard(bytes).map_err(|problem| {
        let text = String::from_utf8_lossy(bytes.get(..guard::FILE_LEN_MAX).unwrap_or(bytes));
        let is_long = bytes.len() > guard::FILE_LEN_MAX;
        Problems::new(name, if is_long { "" } else { &text }, vec![*problem])
    })?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let document = KdlDocument::parse_v2(text).map_err(|error| syntax(name, text, &error))?;
    let mut decoder = Decoder::new(&PLACES);
    let mut settings = Settings::default();
    if document.nodes().iter().any(|node| node.name().value() == "vhost") {
        settings.config.vhosts.clear();
    }
    decoder.block(table::SETTINGS, &[], document.nodes(), &mut settings, "");
    let Decoder { problems, origins, .. } = decoder;
    let warnings = Problems::new(name, text, Vec::new());
    let (name, text) = (name.to_owned(), text.to_owned());
    Ok((Loaded { name, origins, settings, text, warnings }, problems))
}

/// All keys of the reference.
pub static DOCS: LazyLock<Vec<Doc>> = LazyLock::new(|| {
    let mut docs = Vec::new();
    schema::docs(table::SETTINGS, &Settings::default(), "", &mut docs);
    docs
});

static PLACES: LazyLock<Vec<String>> =
    LazyLock::new(|| DOCS.iter().map(|doc| doc.path.clone()).collect());

/// The variable that sets a key; none for blocks, and for what stands in transcodes.
#[must_use]
pub fn variable(doc: &Doc) -> Option<String> {
    doc.kind?;
    if doc.path.starts_with("vhost.transcode") {
        return None;
    }
    let name = doc.path.to_uppercase().replace(['.', '-'], "_");
    Some(format!("{PREFIX}{name}"))
}

fn near_variable<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let lower: Vec<String> =
        known.iter().map(|known| known.to_lowercase().replace('_', "-")).collect();
    let near = nearest(name, lower.iter().map(String::as_str))?;
    let at = lower.iter().position(|lower| lower == near)?;
    known.get(at).map(String::as_str)
}

/// What the parser of KDL has to say: once for each place.
fn syntax(name: &str, text: &str, error: &kdl::KdlError) -> Problems {
    let mut problems: Vec<Problem> = Vec::new();
    for diagnostic in &error.diagnostics {
        let start = diagnostic.span.offset().min(text.len());
        let end = (start + diagnostic.span.len()).min(text.len());
        let span = floor(text, start)..floor(text, end);
        let message = diagnostic.message.clone().unwrap_or_else(|| "this is no KDL".into());
        // An open brace is told twice: of the brace itself, and of all that follows.
        let is_known = problems.iter().any(|known| known.span.start == span.start);
        if is_known || message.starts_with("Closing '}' was not found") {
            continue;
        }
        let mut problem = in_plain_words(text, span, &message);
        if problem.help.is_none() {
            problem.help = diagnostic.help.clone();
        }
        problems.push(problem);
    }
    if problems.is_empty() {
        problems.push(Problem::new(0..0, "this is no KDL"));
    }
    Problems::new(name, text, problems)
}

/// What the parser means: it says what it expected, and people want to know what to write.
fn in_plain_words(text: &str, span: Span, message: &str) -> Problem {
    let found = text.get(span.clone()).unwrap_or_default();
    let of = |message: String, label: &str, help: String| {
        Problem::new(span.clone(), message).label(label).help(help)
    };
    match message {
        "Expected identifier string" if matches!(found, "true" | "false" | "null") => {
            of(format!("`{found}` is no value"), "not known", format!("write #{found}"))
        }
        "Expected end of document" if found.starts_with('}') || found.is_empty() => of(
            "there is a } too many".into(),
            "no block is open here",
            "leave it out, or look for one before it that closes a block too early".into(),
        ),
        "No closing '}' for child block" => {
            of("this block is not closed".into(), "it begins here", "write } at its end".into())
        }
        "Unexpected newline in single-line quoted string" => of(
            "this text is not closed".into(),
            "it begins here",
            "write a quote at its end, on the same line".into(),
        ),
        _ if message.starts_with("Expected ")
            && found.starts_with(|it: char| it.is_ascii_digit()) =>
        {
            let word = found.trim_end_matches(';');
            let is_nginx = text.get(span.start..).is_some_and(|rest| {
                rest.strip_prefix(word).is_some_and(|rest| rest.starts_with(';'))
            });
            let nginx = match is_nginx {
                true => "; a file of SRS is converted by `millstream convert FILE`",
                false => "",
            };
            let label = "what begins with a digit is a number, or stands in quotes";
            of(format!("`{word}` is no number"), label, format!("write \"{word}\"{nginx}"))
        }
        _ => Problem::new(span, message).label("here"),
    }
}

/// The begin of the character at a byte.
fn floor(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The bytes of a file, a little more than may be at most.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::ErrorKind as Kind;
    let failed = |error: std::io::Error| {
        if error.kind() == Kind::NotFound {
            return "there is no such file".to_owned();
        }
        let help = match error.kind() == Kind::PermissionDenied {
            true => "; may this user read it?",
            false => "",
        };
        format!("it cannot be read: {error}{help}")
    };
    // A pipe or a device would be read for ever, and opening some waits.
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err("it is a directory; name a file in it".into());
    }
    if !metadata.is_file() {
        return Err("it is a pipe or a device, not a file".into());
    }
    let mut bytes = Vec::new();
    let limit = guard::FILE_LEN_MAX as u64 + 1;
    File::open(path).map_err(failed)?.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
