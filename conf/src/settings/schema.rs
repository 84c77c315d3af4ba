//! The shape of the table of settings: what a key is called, what it means, and where its value is.
//!
//! One table is read by the decoder, by `config show`, by `config doc`, by the writer of `convert`
//! and by the plan of a reload. A key has a getter, so defaults are those of the values themselves.

use super::decode::Decoder;
use super::kind::{Kind, Value};
use kdl::KdlNode;
use millstream_core::config::transcode::FfmpegOption;

/// A name that may stand in a block that is about a `T`.
pub(super) struct Key<T: 'static> {
    /// The name.
    pub(super) name: &'static str,
    /// One sentence.
    pub(super) doc: &'static str,
    /// When a reload shows.
    pub(super) live: Live,
    /// What follows the name.
    pub(super) shape: Shape<T>,
}

/// What follows a name.
pub(super) enum Shape<T: 'static> {
    /// One value, or several.
    Setting {
        /// What may be written.
        kind: Kind,
        /// How many values.
        count: Count,
        /// The values now; none when nothing is set.
        get: fn(&T) -> Vec<Value>,
        /// Replaces the values.
        set: fn(&mut T, Vec<Value>),
    },
    /// A block about the same thing.
    Block {
        /// What may stand in it.
        keys: &'static [Key<T>],
        /// The key that values behind the name of the block are for.
        short: Option<&'static str>,
    },
    /// A block of options of ffmpeg: any names, one value each.
    Options {
        /// The options now.
        get: fn(&T) -> &[FfmpegOption],
        /// Replaces the options.
        set: fn(&mut T, Vec<FfmpegOption>),
    },
    /// Blocks with names of their own.
    Named(&'static dyn Nested<T>),
}

/// How many values a setting has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Count {
    /// One.
    One,
    /// Any number; the name may be repeated.
    Many,
}

/// When a changed setting shows after a reload.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Live {
    /// At once.
    Now,
    /// With the next connection.
    Connection,
    /// When a stream is published next.
    Publish,
    /// With the next start of the server.
    Restart,
}

impl Live {
    /// The words of the reference and of the plan.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Now => "at once",
            Self::Connection => "next connection",
            Self::Publish => "next publish",
            Self::Restart => "restart",
        }
    }
}

/// Blocks with names of their own, which are about something else than the block around them.
pub(super) trait Nested<T>: Sync {
    /// Reads one block into what is around it.
    fn decode(&self, decoder: &mut Decoder<'_>, node: &KdlNode, around: &mut T, path: &str);
    /// The settings of all blocks.
    fn rows(&self, around: &T, path: &str, out: &mut Vec<Row>);
    /// The keys of a block, with their defaults.
    fn docs(&self, path: &str, out: &mut Vec<Doc>);
    /// The name behind the key, as the reference has it.
    fn title(&self) -> &'static str;
    /// Sets a value in all blocks.
    fn set_all(&self, around: &mut T, path: &str, values: &[Value]) -> bool;
    /// All blocks as text.
    fn write(&self, key: &str, around: &T, indent: usize, out: &mut String);
}

/// One setting of a configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Where it stands: `vhost[a.example].hls.fragment`.
    pub path: String,
    /// Its values.
    pub values: Vec<Value>,
    /// When a change shows.
    pub live: Live,
}

/// One key of the reference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Doc {
    /// Where it stands: `vhost.hls.fragment`.
    pub path: String,
    /// One sentence.
    pub doc: &'static str,
    /// What may be written; nothing for a block.
    pub kind: Option<Kind>,
    /// How many values.
    pub count: Count,
    /// What holds when it is absent.
    pub default: Vec<Value>,
    /// When a change shows.
    pub live: Live,
    /// What is written behind the name of a block.
    pub title: Option<&'static str>,
}

/// The path of a key within a block.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// All settings of a block, in the order of the table.
pub(super) fn rows<T>(keys: &[Key<T>], target: &T, path: &str, out: &mut Vec<Row>) {
    for key in keys {
        let path = join(path, key.name);
        match &key.shape {
            Shape::Setting { get, .. } => {
                out.push(Row { path, values: get(target), live: key.live });
            }
            Shape::Block { keys, .. } => rows(keys, target, &path, out),
            Shape::Options { get, .. } => {
                let values = get(target).iter();
                let values = values.map(|option| Value::Text(option_text(option).into()));
                out.push(Row { path, values: values.collect(), live: key.live });
            }
            Shape::Named(nested) => nested.rows(target, &path, out),
        }
    }
}

/// All keys of a block, in the order of the table, with the values of `target` as defaults.
pub(super) fn docs<T>(keys: &[Key<T>], target: &T, path: &str, out: &mut Vec<Doc>) {
    for key in keys {
        let path = join(path, key.name);
        let doc = |kind, count, default, title| Doc {
            path: path.clone(),
            doc: key.doc,
            kind,
            count,
            default,
            live: key.live,
            title,
        };
        match &key.shape {
            Shape::Setting { kind, count, get, .. } => {
                out.push(doc(Some(*kind), *count, get(target), None));
            }
            Shape::Block { keys, .. } => {
                out.push(doc(None, Count::One, Vec::new(), None));
                docs(keys, target, &path, out);
            }
            Shape::Options { .. } => {
                out.push(doc(None, Count::One, Vec::new(), Some("{ NAME VALUE; ... }")));
            }
            Shape::Named(nested) => {
                out.push(doc(None, Count::Many, Vec::new(), Some(nested.title())));
                nested.docs(&path, out);
            }
        }
    }
}

/// Sets a value by its path, in all blocks that the path goes through; false for an unknown path.
pub(super) fn set_path<T>(keys: &[Key<T>], target: &mut T, path: &str, values: &[Value]) -> bool {
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let Some(key) = keys.iter().find(|key| key.name == name) else { return false };
    match &key.shape {
        Shape::Setting { set, .. } if rest.is_empty() => {
            set(target, values.to_vec());
            true
        }
        Shape::Setting { .. } | Shape::Options { .. } => false,
        Shape::Block { keys, .. } => set_path(keys, target, rest, values),
        Shape::Named(nested) => nested.set_all(target, rest, values),
    }
}

/// A block as text: what is as usual is left out.
pub(super) fn write<T>(keys: &[Key<T>], target: &T, usual: &T, indent: usize, out: &mut String) {
    let margin = "    ".repeat(indent);
    for key in keys {
        match &key.shape {
            Shape::Setting { get, .. } => {
                let values = get(target);
                if values != get(usual) && !values.is_empty() {
                    let values: String =
                        values.iter().map(|value| format!(" {}", value.write())).collect();
                    out.push_str(&format!("{margin}{}{values}\n", key.name));
                }
            }
            Shape::Block { keys, .. } => {
                let mut inner = String::new();
                write(keys, target, usual, indent + 1, &mut inner);
                if !inner.is_empty() {
                    out.push_str(&format!("{margin}{} {{\n{inner}{margin}}}\n", key.name));
                }
            }
            Shape::Options { get, .. } => {
                let options = get(target);
                if !options.is_empty() {
                    let lines = options.iter().map(|option| {
                        let (name, value) =
                            (word(&option.name), super::kind::quoted(&option.value));
                        format!("{margin}    {name} {value}\n")
                    });
                    let lines: String = lines.collect();
                    out.push_str(&format!("{margin}{} {{\n{lines}{margin}}}\n", key.name));
                }
            }
            Shape::Named(nested) => nested.write(key.name, target, indent, out),
        }
    }
}

/// A name as KDL wants it.
fn word(name: &str) -> String {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_:".contains(&byte))
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && !matches!(name, "true" | "false" | "null" | "inf" | "nan");
    if is_plain { name.to_owned() } else { super::kind::quoted(name) }
}

fn option_text(option: &FfmpegOption) -> String {
    format!("{} {}", option.name, option.value)
}
