//! A look at a text before it is parsed: what would take a parser too long, or too deep.
//!
//! The parser of KDL descends once for each open brace, and goes back and forth over what a slashdash
//! hides. So nesting is bounded before it sees the text: 132 bytes can take it minutes otherwise.

use super::problem::{Problem, Span};

/// Bytes of a file.
pub const FILE_LEN_MAX: usize = 1 << 20;
/// Blocks within blocks.
pub const DEPTH_MAX: usize = 32;
/// Blocks that a slashdash hides within each other.
pub const HIDDEN_DEPTH_MAX: usize = 4;

/// A text that can be parsed in little time and little space.
///
/// # Errors
/// It is too long, no UTF-8, or nested too deep.
pub fn guard(bytes: &[u8]) -> Result<&str, Box<Problem>> {
    if bytes.len() > FILE_LEN_MAX {
        let message = format!("the file has {} bytes, more than {FILE_LEN_MAX}", bytes.len());
        return Err(Box::new(Problem::new(0..0, message)));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Box::new(
            Problem::new(at..at + error.error_len().unwrap_or(1), "the file is not UTF-8")
                .label("this is no character")
                .help("save it as UTF-8"),
        )
    })?;
    let mut scan = Scan {
        bytes: text.as_bytes(),
        at: 0,
        open: Vec::new(),
        hides: Hides::Nothing,
        trusts: true,
    };
    match scan.run() {
        None => Ok(text),
        Some(problem) => Err(Box::new(problem)),
    }
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    /// For each open brace, whether a slashdash hides it.
    open: Vec<bool>,
    hides: Hides,
    /// Strings and comments so far were right, so the next ones are what they seem.
    trusts: bool,
}

/// What a slashdash before this place hides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hides {
    Nothing,
    /// What comes next, be it on another line.
    Next,
    /// The node that has begun, to the end of its line.
    Node,
}

impl Scan<'_> {
    fn run(&mut self) -> Option<Problem> {
        while let Some(&byte) = self.bytes.get(self.at) {
            let begun = self.at;
            match byte {
                b'"' if self.trusts => self.quoted(0),
                b'#' if self.trusts => self.hashes(),
                b'/' => self.slash(),
                b'\\' => self.continuation(),
                b'{' => {
                    self.at += 1;
                    self.open.push(self.hides != Hides::Nothing);
                    self.hides = Hides::Nothing;
                    let hidden = self.open.iter().filter(|hidden| **hidden).count();
                    if self.open.len() > DEPTH_MAX {
                        return Some(too_deep(begun..begun + 1, "blocks", DEPTH_MAX));
                    }
                    if hidden > HIDDEN_DEPTH_MAX {
                        let what = "blocks hidden by /-";
                        return Some(too_deep(begun..begun + 1, what, HIDDEN_DEPTH_MAX));
                    }
                }
                b'}' => {
                    self.at += 1;
                    self.open.pop();
                    self.hides = Hides::Nothing;
                }
                b'\n' | b'\r' | b';' => {
                    self.at += 1;
                    if self.hides == Hides::Node || byte == b';' {
                        self.hides = Hides::Nothing;
                    }
                }
                b' ' | b'\t' => self.at += 1,
                _ => self.at += 1,
            }
            let is_text = !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'/' | b'{' | b'}' | b';');
            if is_text && self.hides == Hides::Next {
                self.hides = Hides::Node;
            }
        }
        None
    }

    fn starts_with(&self, word: &[u8]) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word))
    }

    /// A line ends here, by one of the many ways that KDL knows.
    fn ends_line(&self) -> bool {
        const BEYOND_ASCII: [&str; 3] = ["\u{85}", "\u{2028}", "\u{2029}"];
        match self.bytes.get(self.at) {
            Some(b'\n' | b'\r' | 0x0B | 0x0C) => true,
            Some(0x80..) => BEYOND_ASCII.iter().any(|end| self.starts_with(end.as_bytes())),
            Some(_) | None => false,
        }
    }

    /// A string, with so many hashes around its quotes. One that is not whole, or not legal, is
    /// looked into, and so is all that follows: who knows where a parser goes on.
    fn quoted(&mut self, hashes: usize) {
        let begun = self.at;
        let is_long = self.starts_with(b"\"\"\"");
        let quotes: &[u8] = if is_long { b"\"\"\"" } else { b"\"" };
        let end = [quotes, &vec![b'#'; hashes]].concat();
        self.at += quotes.len();
        if is_long && !self.starts_with(b"\n") && !self.starts_with(b"\r\n") {
            self.at = begun + 1;
            self.trusts = false;
            return;
        }
        while let Some(&byte) = self.bytes.get(self.at) {
            if self.starts_with(&end) {
                self.at += end.len();
                return;
            }
            let is_escape = byte == b'\\' && hashes == 0;
            let is_legal = if is_escape { self.escapes() } else { is_long || !self.ends_line() };
            if !is_legal {
                break;
            }
            self.at += if is_escape { 2 } else { 1 };
        }
        self.at = begun + 1;
        self.trusts = false;
    }

    fn escapes(&self) -> bool {
        let after = self.bytes.get(self.at + 1).copied().unwrap_or_default();
        b"nrt\\\"bfsu \t\n\r".contains(&after)
    }

    /// A raw string, or a keyword.
    fn hashes(&mut self) {
        let begun = self.at;
        while self.bytes.get(self.at) == Some(&b'#') {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'"') {
            self.quoted(self.at - begun);
        }
    }

    fn slash(&mut self) {
        if self.starts_with(b"//") && self.trusts {
            while self.at < self.bytes.len() && !self.ends_line() {
                self.at += 1;
            }
        } else if self.starts_with(b"/*") && self.trusts {
            self.comment();
        } else {
            if self.starts_with(b"/-") {
                self.hides = Hides::Next;
                self.at += 1;
            }
            self.at += 1;
        }
    }

    /// A comment that may hold comments; one without end is looked into.
    fn comment(&mut self) {
        let begun = self.at;
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            if self.starts_with(b"/*") {
                depth += 1;
                self.at += 2;
            } else if self.starts_with(b"*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else {
                self.at += 1;
            }
        }
        self.at = begun + 2;
        self.trusts = false;
    }

    /// A backslash lets a node go on in the next line.
    fn continuation(&mut self) {
        self.at += 1;
        while self.bytes.get(self.at).is_some_and(|byte| b" \t\r".contains(byte)) {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'\n') {
            self.at += 1;
        }
    }
}

fn too_deep(span: Span, what: &str, max: usize) -> Problem {
    Problem::new(span, format!("more than {max} {what} within each other"))
        .label("one too many begins here")
        .help("is one before it not closed? blocks end with }, texts with \", comments with */")
}
