//! From a parsed text to settings: all problems at once, each with its place.

use super::kind::{Value, nearest};
use super::problem::{Problem, Span};
use super::schema::{Count, Key, Nested, Shape, join};
use super::{Origin, Origins};
use kdl::{KdlDocument, KdlEntry, KdlNode, KdlValue};
use millstream_core::config::transcode::FfmpegOption;
use std::collections::BTreeMap;

/// Reads blocks, and gathers what is wrong and where things were set.
pub(super) struct Decoder<'a> {
    pub(super) problems: Vec<Problem>,
    pub(super) origins: Origins,
    /// Where a name that is unknown here belongs: the paths of all keys.
    pub(super) places: &'a [String],
}

/// A value with the place where it stands.
pub(super) struct Placed {
    value: Value,
    span: Span,
}

/// What one key was given so far.
#[derive(Default)]
struct Given {
    first: Option<Span>,
    values: Vec<Placed>,
    options: Vec<FfmpegOption>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(places: &'a [String]) -> Self {
        Self { problems: Vec::new(), origins: Origins::new(), places }
    }

    /// Reads a block: `entries` are the properties behind its name, `nodes` its content.
    pub(super) fn block<T>(
        &mut self,
        keys: &[Key<T>],
        entries: &[KdlEntry],
        nodes: &[KdlNode],
        target: &mut T,
        path: &str,
    ) {
        let mut given: BTreeMap<&'static str, Given> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.name().is_some()) {
            self.property(keys, entry, &mut given, path);
        }
        for node in nodes {
            let Some(key) = self.find(keys, node.name().value(), name_span(node), path) else {
                continue;
            };
            self.no_type(node.ty().map(|ty| span_of(ty.span())));
            let given = given.entry(key.name).or_default();
            if !self.is_first(key, given, name_span(node)) {
                continue;
            }
            match &key.shape {
                Shape::Setting { kind, count, .. } => {
                    self.no_block(node, key.name);
                    self.no_properties(node, key.name);
                    let arguments = node.entries().iter().filter(|entry| entry.name().is_none());
                    self.values(node, key.name, *kind, *count, arguments, &mut given.values);
                }
                Shape::Block { keys, short } => {
                    self.inner(node, keys, *short, target, &join(path, key.name));
                }
                Shape::Options { .. } => self.options(node, &mut given.options),
                Shape::Named(nested) => {
                    nested.decode(self, node, target, &join(path, key.name));
                }
            }
        }
        for key in keys {
            let Some(given) = given.remove(key.name) else { continue };
            match &key.shape {
                Shape::Setting { set, .. } if !given.values.is_empty() => {
                    self.set(target, *set, given.values, join(path, key.name));
                }
                Shape::Options { set, .. } => set(target, given.options),
                Shape::Setting { .. } | Shape::Block { .. } | Shape::Named(_) => {}
            }
        }
    }

    /// Reads a block within a block about the same thing.
    fn inner<T>(
        &mut self,
        node: &KdlNode,
        keys: &[Key<T>],
        short: Option<&'static str>,
        target: &mut T,
        path: &str,
    ) {
        let key = short.and_then(|name| keys.iter().find(|key| key.name == name));
        let mut arguments = node.entries().iter().filter(|entry| entry.name().is_none()).peekable();
        let nodes = node.children().map(KdlDocument::nodes).unwrap_or_default();
        if arguments.peek().is_none() && node.entries().is_empty() && node.children().is_none() {
            let name = node.name().value();
            let problem = Problem::new(name_span(node), format!("`{name}` says nothing"))
                .label("a block or a value is missing")
                .help(format!("write {name} {{ ... }}"));
            self.problems.push(problem);
            return;
        }
        let mut is_set_by = None;
        if let (Some(first), Some(key)) = (arguments.peek().map(|entry| span(entry)), key)
            && let Shape::Setting { kind, count, set, .. } = &key.shape
        {
            is_set_by = Some(first);
            let mut values = Vec::new();
            self.values(node, node.name().value(), *kind, *count, arguments, &mut values);
            if !values.is_empty() {
                self.set(target, *set, values, join(path, key.name));
            }
        } else if let Some(first) = arguments.next() {
            let name = node.name().value();
            let problem = Problem::new(span(first), format!("`{name}` takes a block, no value"))
                .label("not expected")
                .help(format!("write {name} {{ ... }}"));
            self.problems.push(problem);
        }
        if let (Some(by), Some(key)) = (is_set_by, key) {
            let again = nodes.iter().find(|node| node.name().value() == key.name);
            if let Some(again) = again {
                let problem = twice(key.name, name_span(again), by);
                self.problems.push(problem);
            }
        }
        self.block(keys, node.entries(), nodes, target, path);
    }

    fn set<T>(
        &mut self,
        target: &mut T,
        set: fn(&mut T, Vec<Value>),
        values: Vec<Placed>,
        path: String,
    ) {
        let (values, origins): (Vec<Value>, Vec<Origin>) =
            values.into_iter().map(|placed| (placed.value, Origin::File(placed.span))).unzip();
        set(target, values);
        self.origins.insert(path, origins);
    }

    fn property<T>(
        &mut self,
        keys: &[Key<T>],
        entry: &KdlEntry,
        given: &mut BTreeMap<&'static str, Given>,
        path: &str,
    ) {
        let Some(name) = entry.name() else { return };
        let Some(key) = self.find(keys, name.value(), property_span(entry), path) else { return };
        let given = given.entry(key.name).or_default();
        if !self.is_first(key, given, property_span(entry)) {
            return;
        }
        if let Shape::Setting { kind, .. } = &key.shape {
            self.value(key.name, *kind, entry, &mut given.values);
        } else {
            let message = format!("`{}` is a block", key.name);
            let has_short = matches!(key.shape, Shape::Block { short: Some(_), .. });
            let inner = match has_short {
                true => format!("{} {}", key.name, entry.value()),
                false => format!("{} {{ ... }}", key.name),
            };
            let problem = Problem::new(property_span(entry), message)
                .label("not possible as name=value")
                .help(format!("write {{ {inner}; }} behind the name"));
            self.problems.push(problem);
        }
    }

    /// The key of a name; an unknown one is a problem.
    fn find<'k, T>(
        &mut self,
        keys: &'k [Key<T>],
        name: &str,
        span: Span,
        path: &str,
    ) -> Option<&'k Key<T>> {
        if let Some(key) = keys.iter().find(|key| key.name == name) {
            return Some(key);
        }
        let place = if path.is_empty() { "at the top".into() } else { format!("in `{path}`") };
        let mut problem = Problem::new(span, format!("unknown name `{}`", shorten(name)))
            .label(format!("not known {place}"));
        let elsewhere = |name: &str| self.places.iter().find(|place| last(place) == name);
        let spelled = name.to_lowercase().replace('_', "-");
        let known = keys.iter().map(|key| key.name);
        problem.help = if let Some(near) = nearest(name, known) {
            Some(format!("did you mean `{near}`?"))
        } else if let Some(place) = elsewhere(&spelled) {
            Some(format!("`{spelled}` stands in {}", place_in_words(place)))
        } else if let Some(near) = nearest(name, self.places.iter().map(|place| last(place)))
            && let Some(place) = elsewhere(near)
        {
            Some(format!("did you mean `{near}`? it stands in {}", place_in_words(place)))
        } else {
            let known: Vec<&str> = keys.iter().map(|key| key.name).collect();
            Some(format!("known here: {}", known.join(", ")))
        };
        self.problems.push(problem);
        None
    }

    /// False for the second use of a name that may be used once.
    fn is_first<T>(&mut self, key: &Key<T>, given: &mut Given, span: Span) -> bool {
        let may_repeat = match key.shape {
            Shape::Setting { count, .. } => count == Count::Many,
            Shape::Named(_) => true,
            Shape::Block { .. } | Shape::Options { .. } => false,
        };
        match (&given.first, may_repeat) {
            (Some(first), false) => {
                let problem = twice(key.name, span, first.clone());
                self.problems.push(problem);
                false
            }
            (Some(_), true) => true,
            (None, _) => {
                given.first = Some(span);
                true
            }
        }
    }

    fn values<'e>(
        &mut self,
        node: &KdlNode,
        name: &str,
        kind: super::kind::Kind,
        count: Count,
        arguments: impl Iterator<Item = &'e KdlEntry>,
        out: &mut Vec<Placed>,
    ) {
        let mut found = 0;
        for entry in arguments {
            found += 1;
            if found > 1 && count == Count::One {
                let problem = Problem::new(span(entry), format!("`{name}` takes one value"))
                    .label("one too many")
                    .help("leave one of them out");
                self.problems.push(problem);
                continue;
            }
            self.value(name, kind, entry, out);
        }
        if found == 0 {
            let problem = Problem::new(name_span(node), format!("`{name}` has no value"))
                .label("the value is missing")
                .help(format!("expected {}", kind.describe()));
            self.problems.push(problem);
        }
    }

    fn value(
        &mut self,
        name: &str,
        kind: super::kind::Kind,
        entry: &KdlEntry,
        out: &mut Vec<Placed>,
    ) {
        self.no_type(entry.ty().map(|ty| span_of(ty.span())));
        match kind.read(entry.value()) {
            Ok(value) => out.push(Placed { value, span: span(entry) }),
            Err(expected) => {
                let problem = Problem::new(span(entry), format!("wrong value of `{name}`"))
                    .label(expected.label)
                    .help(expected.help);
                self.problems.push(problem);
            }
        }
    }

    /// Options of ffmpeg: as properties, and as lines of a block.
    fn options(&mut self, node: &KdlNode, out: &mut Vec<FfmpegOption>) {
        let nodes = node.children().map(KdlDocument::nodes).unwrap_or_default();
        for entry in node.entries() {
            match entry.name() {
                Some(name) => self.option(name.value(), property_span(entry), Some(entry), out),
                None => {
                    let problem = Problem::new(span(entry), "an option needs a name")
                        .label("not expected")
                        .help(format!("write {} {{ name \"value\" }}", node.name().value()));
                    self.problems.push(problem);
                }
            }
        }
        for node in nodes {
            self.no_block(node, node.name().value());
            self.no_properties(node, node.name().value());
            let arguments = node.entries().iter().filter(|entry| entry.name().is_none());
            let mut values = arguments.clone();
            if let Some(more) = arguments.clone().nth(1) {
                let problem = Problem::new(span(more), "an option takes one value")
                    .label("one too many")
                    .help("write a value with spaces in quotes");
                self.problems.push(problem);
            }
            self.option(node.name().value(), name_span(node), values.next(), out);
        }
    }

    fn option(
        &mut self,
        name: &str,
        place: Span,
        entry: Option<&KdlEntry>,
        out: &mut Vec<FfmpegOption>,
    ) {
        let name = name.strip_prefix('-').unwrap_or(name);
        let is_legal = |char: char| char.is_ascii_alphanumeric() || "-_:.".contains(char);
        if name.is_empty() || !name.chars().all(is_legal) {
            let problem = Problem::new(place, "this is no option of ffmpeg").label("not a name");
            self.problems.push(problem);
            return;
        }
        let value = match entry.map(KdlEntry::value) {
            Some(KdlValue::String(text)) if !text.chars().any(char::is_control) => text.clone(),
            Some(KdlValue::Integer(number)) => number.to_string(),
            Some(KdlValue::Float(number)) => number.to_string(),
            Some(KdlValue::String(_) | KdlValue::Bool(_) | KdlValue::Null) | None => {
                let at = entry.map_or(place, span);
                let message = format!("wrong value of the option `{}`", shorten(name));
                let problem = Problem::new(at, message)
                    .label("text or a number is missing")
                    .help(format!("write {name} \"value\""));
                self.problems.push(problem);
                return;
            }
        };
        out.push(FfmpegOption { name: name.into(), value: value.into() });
    }

    fn no_type(&mut self, found: Option<Span>) {
        if let Some(span) = found {
            let problem = Problem::new(span, "types mean nothing here")
                .label("not expected")
                .help("leave out the word in parentheses");
            self.problems.push(problem);
        }
    }

    fn no_block(&mut self, node: &KdlNode, name: &str) {
        if let Some(children) = node.children() {
            let all = span_of(children.span());
            let problem =
                Problem::new(all.start..all.start + 1, format!("`{name}` takes no block"))
                    .label("a block begins here")
                    .help("write its value behind its name");
            self.problems.push(problem);
        }
    }

    fn no_properties(&mut self, node: &KdlNode, name: &str) {
        for entry in node.entries().iter().filter(|entry| entry.name().is_some()) {
            let message = format!("`{name}` takes values, not name=value");
            let problem = Problem::new(span(entry), message)
                .label("not expected")
                .help(format!("write {name} VALUE"));
            self.problems.push(problem);
        }
    }
}

/// A kind of block with names of its own, about a `U` within a `T`.
pub(super) struct Blocks<T: 'static, U: 'static> {
    /// What may stand in a block.
    pub(super) keys: &'static [Key<U>],
    /// The name behind the key, as the reference has it.
    pub(super) title: &'static str,
    /// Reads the name.
    pub(super) name: fn(&str) -> Result<String, &'static str>,
    /// A name may be left out: it is then empty.
    pub(super) may_be_nameless: bool,
    /// A block as it is when nothing is set.
    pub(super) usual: fn() -> U,
    /// All blocks, with their names.
    pub(super) all: fn(&T) -> Vec<(String, U)>,
    /// Adds a block, or says what it lacks and what helps.
    #[expect(clippy::type_complexity, reason = "a problem is a label and its help")]
    pub(super) add: fn(&mut T, &str, U) -> Result<(), (&'static str, String)>,
    /// Replaces a block.
    pub(super) replace: fn(&mut T, usize, U),
}

impl<T, U> Nested<T> for Blocks<T, U> {
    fn decode(&self, decoder: &mut Decoder<'_>, node: &KdlNode, around: &mut T, path: &str) {
        let key = node.name().value();
        let mut arguments = node.entries().iter().filter(|entry| entry.name().is_none());
        let first = arguments.next();
        if let Some(more) = arguments.next() {
            let problem = Problem::new(span(more), format!("`{key}` takes one name"))
                .label("one too many")
                .help(format!("write a block `{key}` for each"));
            decoder.problems.push(problem);
        }
        let place = first.map_or_else(|| name_span(node), span);
        let given = match first.map(KdlEntry::value) {
            None if self.may_be_nameless => Some(""),
            None => {
                let problem = Problem::new(place.clone(), format!("`{key}` has no name"))
                    .label("the name is missing")
                    .help(format!("write {key} {} {{ ... }}", self.title));
                decoder.problems.push(problem);
                None
            }
            Some(value) => value.as_string().or_else(|| {
                let problem = Problem::new(place.clone(), format!("wrong name of `{key}`"))
                    .label("this is no text")
                    .help(format!("write {key} {} {{ ... }}", self.title));
                decoder.problems.push(problem);
                None
            }),
        };
        let name = given.and_then(|given| match (self.name)(given) {
            Ok(name) => Some(name),
            Err(what) => {
                let problem =
                    Problem::new(place.clone(), format!("wrong name of `{key}`")).label(what);
                decoder.problems.push(problem);
                None
            }
        });
        let shown = name.clone().unwrap_or_default();
        let path = format!("{path}[{shown}]");
        let nodes = node.children().map(KdlDocument::nodes).unwrap_or_default();
        let mut block = (self.usual)();
        let before = decoder.problems.len();
        decoder.block(self.keys, node.entries(), nodes, &mut block, &path);
        let is_sound = decoder.problems.len() == before;
        let Some(name) = name else { return };
        if let Some(Origin::File(earlier)) =
            decoder.origins.get(&path).and_then(|origins| origins.first()).cloned()
        {
            decoder.problems.push(
                Problem::new(place, format!("two blocks are called {key} \"{shown}\""))
                    .label("the second")
                    .also(earlier, "the first")
                    .help("put them together"),
            );
            return;
        }
        decoder.origins.insert(path, vec![Origin::File(place.clone())]);
        // What a block lacks may have been given, and wrong.
        if let Err((message, help)) = (self.add)(around, &name, block)
            && is_sound
        {
            decoder.problems.push(Problem::new(place, message).label("in this block").help(help));
        }
    }

    fn rows(&self, around: &T, path: &str, out: &mut Vec<super::schema::Row>) {
        for (name, block) in (self.all)(around) {
            super::schema::rows(self.keys, &block, &format!("{path}[{name}]"), out);
        }
    }

    fn docs(&self, path: &str, out: &mut Vec<super::schema::Doc>) {
        super::schema::docs(self.keys, &(self.usual)(), path, out);
    }

    fn title(&self) -> &'static str {
        self.title
    }

    fn set_all(&self, around: &mut T, path: &str, values: &[Value]) -> bool {
        let mut is_known = true;
        for (index, (_, mut block)) in (self.all)(around).into_iter().enumerate() {
            is_known &= super::schema::set_path(self.keys, &mut block, path, values);
            (self.replace)(around, index, block);
        }
        is_known
    }

    fn write(&self, key: &str, around: &T, indent: usize, out: &mut String) {
        let margin = "    ".repeat(indent);
        for (name, block) in (self.all)(around) {
            let mut inner = String::new();
            let usual = (self.usual)();
            super::schema::write(self.keys, &block, &usual, indent + 1, &mut inner);
            let name = match name.is_empty() {
                true => String::new(),
                false => format!(" {}", super::kind::quoted(&name)),
            };
            match inner.is_empty() {
                true => out.push_str(&format!("{margin}{key}{name}\n")),
                false => out.push_str(&format!("{margin}{key}{name} {{\n{inner}{margin}}}\n")),
            }
        }
    }
}

fn twice(name: &str, second: Span, first: Span) -> Problem {
    Problem::new(second, format!("`{name}` is set twice"))
        .label("the second time")
        .also(first, "the first time")
        .help("leave one of them out")
}

/// Long names of strangers do not fill a screen.
fn shorten(name: &str) -> String {
    match name.char_indices().nth(40) {
        Some((at, _)) => format!("{}...", name.get(..at).unwrap_or_default()),
        None => name.to_owned(),
    }
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn place_in_words(path: &str) -> String {
    match path.rsplit_once('.') {
        None => "no block: it stands at the top".into(),
        Some((block, _)) => {
            let names: Vec<String> = block.split('.').map(|name| format!("`{name}`")).collect();
            format!("a block {}", names.join(" > "))
        }
    }
}

fn span(entry: &KdlEntry) -> Span {
    span_of(entry.span())
}

/// The name of a property.
fn property_span(entry: &KdlEntry) -> Span {
    entry.name().map_or_else(|| span(entry), |name| span_of(name.span()))
}

fn name_span(node: &KdlNode) -> Span {
    span_of(node.name().span())
}

fn span_of(span: miette::SourceSpan) -> Span {
    span.offset()..span.offset() + span.len()
}
