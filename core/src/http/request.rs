//! A request, and what its head says of it.

use super::body::BodyLength;
use super::{HttpError, HttpLimits, Target};
use alloc::vec::Vec;
use bytes::Bytes;
use httparse::{EMPTY_HEADER, Status};

/// Header fields of a request.
const FIELDS_MAX: usize = 64;

/// A request without errors, its body included.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// What with.
    pub target: Target,
    /// Which version the client speaks.
    pub version: Version,
    /// The body, decoded; empty if there is none.
    pub body: Bytes,
    fields: Vec<(Bytes, Bytes)>,
}

/// What a client wants done (RFC 9110, section 9, and RFC 5789).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[expect(missing_docs, reason = "the names are the specification's own")]
pub enum Method {
    Delete,
    Get,
    Head,
    Options,
    Patch,
    Post,
    Put,
}

impl Method {
    /// The method as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Delete,
            Self::Get,
            Self::Head,
            Self::Options,
            Self::Patch,
            Self::Post,
            Self::Put,
        ];
        all.into_iter().find(|method| method.as_str() == text)
    }
}

/// A version of HTTP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Version {
    /// HTTP/1.0: a connection ends with its response, unless it asks to be kept.
    Http10,
    /// HTTP/1.1: a connection is kept, unless it asks not to be.
    Http11,
}

/// What the head of a request says of what follows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Framed {
    pub(super) body: BodyLength,
    pub(super) expects_continue: bool,
}

impl Request {
    /// Reads a whole head, its empty line included.
    pub(super) fn parse(limits: &HttpLimits, head: &Bytes) -> Result<(Self, Framed), HttpError> {
        let mut fields = [EMPTY_HEADER; FIELDS_MAX];
        let mut parsed = httparse::Request::new(&mut fields);
        match parsed.parse(head) {
            Ok(Status::Complete(len)) if len == head.len() => {}
            Ok(_) => return Err(HttpError::Field),
            Err(httparse::Error::TooManyHeaders) => return Err(HttpError::HeadTooLong),
            Err(httparse::Error::Version) => return Err(HttpError::Version),
            Err(httparse::Error::Token) => return Err(HttpError::RequestLine),
            Err(_) => return Err(HttpError::Field),
        }
        let version = match parsed.version {
            Some(0) => Version::Http10,
            Some(1) => Version::Http11,
            _ => return Err(HttpError::Version),
        };
        let method = parsed.method.and_then(Method::parse).ok_or(HttpError::Method)?;
        let target = Target::parse(parsed.path.unwrap_or_default())?;
        let fields = parsed.headers.iter();
        let fields = fields
            .map(|field| (head.slice_ref(field.name.as_bytes()), head.slice_ref(field.value)))
            .collect();
        let request = Self { method, target, version, body: Bytes::new(), fields };
        request.check_host()?;
        let framed = request.framed(limits)?;
        Ok((request, framed))
    }

    /// The value of the first header field `name`, without white space around it.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The value of the last header field `name`: what the nearest proxy has added.
    #[must_use]
    pub fn last_field(&self, name: &str) -> Option<&[u8]> {
        self.values(name).last()
    }

    /// The value of the first header field `name`, if it is ASCII or UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        core::str::from_utf8(self.field(name)?).ok()
    }

    /// The host that is asked, without its port; an IPv6 address in its brackets.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        let authority = self.target.authority().or_else(|| self.text("host"))?;
        let end = match authority.rfind(']') {
            Some(end) => end.saturating_add(1),
            None => authority.find(':').unwrap_or(authority.len()),
        };
        authority.get(..end).filter(|host| !host.is_empty())
    }

    /// True if the connection may go on after the response.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        match self.version {
            Version::Http11 => !self.has_token("connection", "close"),
            Version::Http10 => {
                self.has_token("connection", "keep-alive") && !self.has_token("connection", "close")
            }
        }
    }

    /// True if one of the comma-separated values of the fields `name` is `token`.
    pub(super) fn has_token(&self, name: &str, token: &str) -> bool {
        let mut values = self.values(name).flat_map(|value| value.split(|&byte| byte == b','));
        values.any(|value| value.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let is_named =
            move |(found, _): &&(Bytes, Bytes)| found.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(is_named).map(|(_, value)| value.trim_ascii())
    }

    fn check_host(&self) -> Result<(), HttpError> {
        match (self.values("host").count(), self.version) {
            (1, _) | (0, Version::Http10) => Ok(()),
            _ => Err(HttpError::Host),
        }
    }

    /// How the body is delimited (RFC 9112, section 6.3). Whatever two programs could read in two
    /// ways is refused: that is how requests are smuggled past a proxy.
    fn framed(&self, limits: &HttpLimits) -> Result<Framed, HttpError> {
        let mut lengths = self.values("content-length");
        let length = lengths.next();
        if lengths.next().is_some() {
            return Err(HttpError::ContentLength);
        }
        let mut codings = self.values("transfer-encoding");
        let coding = codings.next();
        if codings.next().is_some() {
            return Err(HttpError::TransferCoding);
        }
        let body = match (coding, length) {
            (Some(_), Some(_)) => return Err(HttpError::ContentLength),
            (Some(_), None) if self.version == Version::Http10 => {
                return Err(HttpError::TransferCoding);
            }
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => BodyLength::Chunked,
            (Some(coding), None) => {
                let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
                let is_known = coding.is_empty() || !coding.iter().all(is_token);
                return Err(if is_known {
                    HttpError::TransferCoding
                } else {
                    HttpError::TransferCodingUnknown
                });
            }
            (None, Some(length)) => BodyLength::Known(parse_length(limits, length)?),
            (None, None) => BodyLength::Known(0),
        };
        let expects_continue = match self.field("expect") {
            None => false,
            Some(value) if value.eq_ignore_ascii_case(b"100-continue") => true,
            Some(_) => return Err(HttpError::Expectation),
        };
        let expects_continue =
            expects_continue && self.version == Version::Http11 && body != BodyLength::Known(0);
        Ok(Framed { body, expects_continue })
    }
}

fn parse_length(limits: &HttpLimits, text: &[u8]) -> Result<usize, HttpError> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(HttpError::ContentLength);
    }
    let number = core::str::from_utf8(text).ok().and_then(|text| text.parse::<usize>().ok());
    // A number that is too big for this machine is a number none the less.
    number.filter(|&len| len <= limits.body_len_max).ok_or(HttpError::BodyTooLong)
}
