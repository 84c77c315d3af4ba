//! The grammar of nginx, as SRS reads it: `name argument ... ;` or `name argument ... { ... }`.

use crate::settings::guard::DEPTH_MAX;
use crate::settings::problem::{Problem, Span};

/// A word with its place, without its quotes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Word {
    pub(super) span: Span,
    pub(super) text: String,
}

/// A directive with what stands in its block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Directive {
    pub(super) arguments: Vec<Word>,
    pub(super) children: Option<Vec<Directive>>,
    pub(super) name: Word,
}

/// Reads a text.
///
/// # Errors
/// The first thing that is no such text.
pub(super) fn parse(text: &str) -> Result<Vec<Directive>, Box<Problem>> {
    let mut tokens = Tokens { text, at: 0 };
    directives(&mut tokens, &mut Vec::new())
}

/// What a text is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    Close,
    End,
    Open,
    Semicolon,
    Word(Word),
}

struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

/// All directives up to the end of a block; `open` are the blocks around them.
fn directives(
    tokens: &mut Tokens<'_>,
    open: &mut Vec<Span>,
) -> Result<Vec<Directive>, Box<Problem>> {
    let mut out = Vec::new();
    let mut words: Vec<Word> = Vec::new();
    loop {
        let (token, span) = tokens.next(words.is_empty())?;
        match token {
            Token::Word(word) => words.push(word),
            Token::Semicolon | Token::Open if words.is_empty() => {
                return Err(wrong(span, "nothing stands before this"));
            }
            Token::Semicolon => out.push(directive(&mut words, None)),
            Token::Open => {
                if open.len() == DEPTH_MAX {
                    let message = format!("more than {DEPTH_MAX} blocks within each other");
                    return Err(wrong(span, &message));
                }
                open.push(span);
                let children = directives(tokens, open)?;
                out.push(directive(&mut words, Some(children)));
            }
            Token::Close => match open.pop() {
                Some(_) => return Ok(out),
                None => return Err(wrong(span, "no block is open")),
            },
            Token::End => match (words.last(), open.pop()) {
                (Some(last), _) => {
                    let problem = Problem::new(last.span.clone(), "the directive has no end");
                    return Err(Box::new(problem.help("expected ; or {")));
                }
                (None, Some(open)) => return Err(wrong(open, "the block has no end")),
                (None, None) => return Ok(out),
            },
        }
    }
}

fn directive(words: &mut Vec<Word>, children: Option<Vec<Directive>>) -> Directive {
    let mut words = std::mem::take(words).into_iter();
    let name = words.next().unwrap_or(Word { span: 0..0, text: String::new() });
    Directive { arguments: words.collect(), children, name }
}

fn wrong(span: Span, message: &str) -> Box<Problem> {
    Box::new(Problem::new(span, message))
}

impl Tokens<'_> {
    /// The next token. A brace closes a block only where a directive could begin.
    fn next(&mut self, may_close: bool) -> Result<(Token, Span), Box<Problem>> {
        self.skip();
        let begin = self.at;
        let Some(first) = self.rest().chars().next() else {
            return Ok((Token::End, begin..begin));
        };
        let single = |token| Ok((token, begin..begin + 1));
        match first {
            ';' | '{' => {
                self.at += 1;
                single(if first == ';' { Token::Semicolon } else { Token::Open })
            }
            '}' if may_close => {
                self.at += 1;
                single(Token::Close)
            }
            '}' => {
                let problem = Problem::new(begin..begin + 1, "the directive has no end");
                Err(Box::new(problem.help("expected ; before }")))
            }
            '"' | '\'' => self.quoted(first),
            _ => {
                let ends = |char: char| char.is_ascii_whitespace() || char == ';' || char == '{';
                let len = self.rest().find(ends).unwrap_or(self.rest().len());
                let text = self.rest().get(..len).unwrap_or_default().to_owned();
                self.at += len;
                let span = begin..self.at;
                Ok((Token::Word(Word { span: span.clone(), text }), span))
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<(Token, Span), Box<Problem>> {
        let begin = self.at;
        let inner = self.rest().get(1..).unwrap_or_default();
        let Some(len) = inner.find(quote) else {
            return Err(wrong(begin..begin + 1, "the quotes are not closed"));
        };
        let text = inner.get(..len).unwrap_or_default().to_owned();
        self.at += len + 2;
        let after = self.rest().chars().next();
        if let Some(after) = after
            && !after.is_ascii_whitespace()
            && after != ';'
            && after != '{'
        {
            let span = self.at..self.at + after.len_utf8();
            let problem = Problem::new(span, "unexpected character behind quotes");
            return Err(Box::new(problem.help("expected a space, ; or {")));
        }
        let span = begin..self.at;
        Ok((Token::Word(Word { span: span.clone(), text }), span))
    }

    /// White space, and comments: they begin where a word could.
    fn skip(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_ascii_start().len();
            self.at += blank;
            if !self.rest().starts_with('#') {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }
}
