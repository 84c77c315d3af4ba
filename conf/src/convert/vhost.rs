//! What becomes of a vhost of SRS, and of its transcodes.

use super::grammar::{Directive, Word};
use super::{Change, Writer, is_on};
use crate::settings::kind::quoted;
use crate::settings::problem::Problem;

/// Directives with one argument that are settings of a vhost under another name.
const SETTINGS: [(&str, &str, Change); 5] = [
    ("enabled", "enabled", Change::Switch(true)),
    ("chunk_size", "chunk-size", Change::Number),
    ("gop_cache", "gop-cache", Change::Switch(true)),
    ("queue_length", "queue-length", Change::Seconds),
    ("time_jitter", "time-jitter", Change::Same),
];

/// Directives of SRS in a vhost that have no equal.
const NO_EQUAL: [(&str, &str); 11] = [
    ("mode", "every server is an origin; forward streams to it"),
    ("origin", "forward streams from there to here"),
    ("token_traverse", "every server is an origin"),
    ("atc", "write time-jitter off"),
    ("atc_auto", "write time-jitter off"),
    ("bandcheck", "use `millstream bench`"),
    ("http_hooks", "there are none"),
    ("dvr", "there is none"),
    ("http", "files are not served by HTTP"),
    ("ingest", "run ffmpeg beside the server"),
    ("debug_srs_upnode", "nothing of that is sent"),
];

/// The directory of HLS when SRS is told none.
const HLS_PATH: &str = "./objs/nginx/html";

impl Writer {
    pub(super) fn vhost(&mut self, directive: &Directive, log_directory: Option<&str>) {
        let Some(name) = self.argument(directive) else { return };
        self.open(&format!("vhost {}", quoted(&name.text)));
        let children = directive.children.as_deref().unwrap_or_default();
        let mut seen = Vec::new();
        for inner in children {
            let known = inner.name.text.as_str();
            let may_repeat = matches!(known, "transcode" | "ingest");
            if !may_repeat && !self.is_first(inner, &mut seen) {
                continue;
            }
            self.mark(inner);
            if let Some((_, name, change)) = SETTINGS.iter().find(|(name, _, _)| *name == known) {
                self.one(inner, name, &format!("vhost.{name}"), *change);
                continue;
            }
            match known {
                "forward" => self.forward(inner),
                "refer" | "refer_publish" | "refer_play" | "hls" | "hls_path" | "hls_fragment"
                | "hls_window" => {}
                "transcode" => self.transcode(inner, log_directory),
                _ => {
                    let names = SETTINGS.iter().map(|(name, _, _)| *name);
                    let known: Vec<&str> =
                        names.chain(["forward", "refer", "hls", "transcode"]).collect();
                    self.no_equal(inner, &NO_EQUAL, &known);
                }
            }
        }
        self.refer(children);
        self.hls(children);
        self.indent -= 1;
        self.line("}");
    }

    /// `forward A B;`, or a block as in later versions of SRS.
    fn forward(&mut self, directive: &Directive) {
        let Some(block) = &directive.children else {
            self.list(directive, "forward", "vhost.forward");
            return;
        };
        self.known(block, &["enabled", "destination"]);
        if !is_on(find(block, "enabled")) {
            self.warn(directive, "this forward is not enabled", "it is left out");
            return;
        }
        match find(block, "destination") {
            Some(destination) => self.list(destination, "forward", "vhost.forward"),
            None => self.warn(directive, "this forward has no destination", "it is left out"),
        }
    }

    /// `refer A B;` with directives beside it, or a block as in later versions of SRS.
    fn refer(&mut self, children: &[Directive]) {
        let refer = find(children, "refer");
        let block = refer.and_then(|refer| Some((refer, refer.children.as_deref()?)));
        let (inside, names) = match block {
            Some((_, block)) => (block, ["all", "publish", "play"]),
            None => (children, ["refer", "refer_publish", "refer_play"]),
        };
        if let Some((refer, block)) = block {
            self.known(block, &["enabled", "all", "publish", "play"]);
            let enabled = find(block, "enabled");
            if enabled.is_none() {
                // Who lists pages wants no others: that is the safe side.
                self.warn(refer, "SRS ignores this without `enabled on`", "it is taken for on");
            } else if !is_on(enabled) {
                self.warn(refer, "this refer is not enabled", "it is left out");
                return;
            }
        }
        self.open("refer");
        for (name, inner) in names.into_iter().zip(["all", "publish", "play"]) {
            if let Some(directive) = find(inside, name) {
                self.mark(directive);
                self.list(directive, inner, &format!("vhost.refer.{inner}"));
            }
        }
        self.close();
    }

    /// Tells of all that is none of `names`.
    fn known(&mut self, children: &[Directive], names: &[&str]) {
        for inner in children.iter().filter(|inner| !names.contains(&inner.name.text.as_str())) {
            self.no_equal(inner, &[], names);
        }
    }

    /// `hls on;` with directives beside it, or a block.
    fn hls(&mut self, children: &[Directive]) {
        let Some(hls) = find(children, "hls") else {
            self.line("hls #false");
            return;
        };
        self.mark(hls);
        let (inside, is_enabled) = match &hls.children {
            Some(block) => (block.as_slice(), is_on(find(block, "enabled"))),
            None => (children, hls.arguments.first().is_none_or(|word| word.text != "off")),
        };
        if !is_enabled {
            self.line("hls #false");
            return;
        }
        self.open("hls");
        for (name, inner) in [("hls_fragment", "fragment"), ("hls_window", "window")] {
            if let Some(directive) = find(inside, name) {
                self.one(directive, inner, &format!("vhost.hls.{inner}"), Change::Seconds);
            }
        }
        self.line("storage \"disk\"");
        match find(inside, "hls_path") {
            Some(directive) => self.one(directive, "path", "vhost.hls.path", Change::Same),
            None => self.line(&format!("path {}", quoted(HLS_PATH))),
        }
        self.close();
    }

    fn transcode(&mut self, directive: &Directive, log_directory: Option<&str>) {
        let scope = directive.arguments.first().map_or("", |word| &word.text);
        let name = if scope.is_empty() { String::new() } else { format!(" {}", quoted(scope)) };
        let children = directive.children.as_deref().unwrap_or_default();
        let engines: Vec<&Directive> =
            children.iter().filter(|inner| inner.name.text == "engine").collect();
        let ffmpeg = find(children, "ffmpeg").and_then(|ffmpeg| ffmpeg.arguments.first());
        if !is_on(find(children, "enabled")) || ffmpeg.is_none() {
            self.warn(directive, "this transcode is not enabled", "it is left out");
            return;
        }
        let is_enabled = |engine: &&Directive| {
            is_on(find(engine.children.as_deref().unwrap_or_default(), "enabled"))
        };
        if !engines.iter().any(is_enabled) {
            self.warn(directive, "no engine of this transcode is enabled", "it is left out");
            return;
        }
        self.open(&format!("transcode{name}"));
        for inner in children {
            match inner.name.text.as_str() {
                "enabled" | "engine" => {}
                "ffmpeg" => self.one(inner, "ffmpeg", "vhost.transcode.ffmpeg", Change::Same),
                _ => self.no_equal(inner, &[], &["enabled", "ffmpeg", "engine"]),
            }
        }
        if let Some(directory) = log_directory.filter(|directory| *directory != "/dev/null") {
            self.line(&format!("log-directory {}", quoted(directory)));
        }
        for engine in engines {
            self.engine(engine);
        }
        self.indent -= 1;
        self.line("}");
    }

    fn engine(&mut self, directive: &Directive) {
        let Some(name) = self.argument(directive) else { return };
        let children = directive.children.as_deref().unwrap_or_default();
        if !is_on(find(children, "enabled")) {
            self.warn(directive, "this engine is not enabled", "it is left out");
            return;
        }
        self.mark(directive);
        self.open(&format!("engine {}", quoted(&name.text)));
        let path = |name: &str| format!("vhost.transcode.engine.{name}");
        for (known, name) in [("iformat", "input-format"), ("oformat", "output-format")] {
            if let Some(inner) = find(children, known) {
                self.one(inner, name, &path(name), Change::Same);
            }
        }
        self.options(children, "vfilter", "video-filter");
        self.media(children, &VIDEO);
        self.media(children, &AUDIO);
        match find(children, "output") {
            Some(output) => self.one(output, "output", &path("output"), Change::Same),
            None => {
                let message = "this engine has no output";
                self.problems.push(Problem::new(directive.name.span.clone(), message));
            }
        }
        self.known(children, &ENGINE);
        self.indent -= 1;
        self.line("}");
    }

    /// The encoder of one kind of media.
    fn media(&mut self, children: &[Directive], media: &Media) {
        let Some(codec) = find(children, media.codec) else { return };
        let Some(word) = self.argument(codec) else { return };
        let written = match word.text.as_str() {
            "vn" | "an" => "off",
            "copy" => "copy",
            "libaacplus" => {
                self.warn(codec, "no ffmpeg of today has libaacplus", "it becomes aac");
                "aac"
            }
            other => other,
        };
        self.open(media.name);
        self.line(&format!("codec {}", quoted(written)));
        // SRS neither checks nor passes options of what is not encoded.
        if !matches!(written, "off" | "copy") {
            for (known, name, change) in media.settings {
                if let Some(inner) = find(children, known) {
                    let path = format!("vhost.transcode.engine.{}.{name}", media.name);
                    self.one(inner, name, &path, *change);
                }
            }
            if media.name == "video" {
                self.picture(children);
            }
            self.options(children, media.params, "params");
        }
        self.indent -= 1;
        self.line("}");
    }

    fn picture(&mut self, children: &[Directive]) {
        let side = |writer: &mut Self, name: &str| {
            let word = writer.argument(find(children, name)?)?;
            let side = word.text.parse::<u16>().ok().map(|side| side / 2 * 2);
            if side.is_none() {
                writer.wrong(&word, "expected a number of pixels");
            }
            side
        };
        let (width, height) = (side(self, "vwidth"), side(self, "vheight"));
        if let (Some(width @ 2..), Some(height @ 2..)) = (width, height) {
            self.line(&format!("size \"{width}x{height}\""));
        }
    }

    /// Raw options of ffmpeg.
    fn options(&mut self, children: &[Directive], known: &str, name: &str) {
        let Some(block) = find(children, known) else { return };
        self.open(name);
        for option in block.children.iter().flatten() {
            let Some(Word { text, .. }) =
                option.arguments.first().filter(|word| !word.text.is_empty())
            else {
                continue;
            };
            let name = option.name.text.trim_start_matches('-');
            let is_legal = |char: char| char.is_ascii_alphanumeric() || "-_:.".contains(char);
            if name.is_empty() || !name.chars().all(is_legal) || text.chars().any(char::is_control)
            {
                self.wrong(&option.name, "expected an option of ffmpeg");
                continue;
            }
            self.line(&format!("{} {}", quoted(name), quoted(text)));
        }
        self.close();
    }
}

/// The directives of an engine about one kind of media.
struct Media {
    name: &'static str,
    codec: &'static str,
    settings: &'static [(&'static str, &'static str, Change)],
    params: &'static str,
}

const VIDEO: Media = Media {
    name: "video",
    codec: "vcodec",
    settings: &[
        ("vbitrate", "bitrate", Change::Kilobits),
        ("vfps", "fps", Change::Number),
        ("vthreads", "threads", Change::Number),
        ("vprofile", "profile", Change::Same),
        ("vpreset", "preset", Change::Same),
    ],
    params: "vparams",
};

const AUDIO: Media = Media {
    name: "audio",
    codec: "acodec",
    settings: &[
        ("abitrate", "bitrate", Change::Kilobits),
        ("asample_rate", "rate", Change::Number),
        ("achannels", "channels", Change::Number),
    ],
    params: "aparams",
};

/// All directives of an engine.
const ENGINE: [&str; 20] = [
    "enabled",
    "iformat",
    "oformat",
    "vfilter",
    "vcodec",
    "vbitrate",
    "vfps",
    "vwidth",
    "vheight",
    "vthreads",
    "vprofile",
    "vpreset",
    "vparams",
    "acodec",
    "abitrate",
    "asample_rate",
    "achannels",
    "aparams",
    "output",
    "id",
];

/// The first directive of a name: SRS looks at no other.
fn find<'a>(directives: &'a [Directive], name: &str) -> Option<&'a Directive> {
    directives.iter().find(|directive| directive.name.text == name)
}
