//! The web console: static files for a browser, which asks the HTTP API for all it shows.
//!
//! There is no build step: what lies in `static` is what is served. `vendor` holds three programs of
//! others, unchanged, with their licences. Absent: any knowledge of HTTP or of the server.
#![no_std]

/// A file as it is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct File {
    /// The path of its URL. It must be exactly this one.
    pub path: &'static str,
    /// The media type.
    pub content_type: &'static str,
    /// What the file holds.
    pub bytes: &'static [u8],
    /// A strong entity tag with its quotes: another one for other bytes.
    pub etag: &'static str,
}

/// What a browser may do on the console's pages: nothing comes from elsewhere, nothing is inline.
/// Media sources are made by scripts, hence `blob:`.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self'; img-src 'self' data:; connect-src 'self'; media-src 'self' blob:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

macro_rules! file {
    ($path:literal, $content_type:expr, $file:literal) => {{
        const BYTES: &[u8] = include_bytes!($file);
        const TAG: [u8; TAG_LEN] = tag(BYTES);
        const ETAG: &str = match core::str::from_utf8(&TAG) {
            Ok(text) => text,
            Err(_) => panic!("a tag is ASCII"),
        };
        File { path: $path, content_type: $content_type, bytes: BYTES, etag: ETAG }
    }};
}

/// All files. The page itself comes first.
pub static FILES: &[File] = &[
    file!("/", HTML, "../static/index.html"),
    file!("/console/api.js", JAVASCRIPT, "../static/api.js"),
    file!("/console/charts.js", JAVASCRIPT, "../static/charts.js"),
    file!("/console/console.css", CSS, "../static/console.css"),
    file!("/console/detail.js", JAVASCRIPT, "../static/detail.js"),
    file!("/console/dom.js", JAVASCRIPT, "../static/dom.js"),
    file!("/console/format.js", JAVASCRIPT, "../static/format.js"),
    file!("/console/guide.js", JAVASCRIPT, "../static/guide.js"),
    file!("/console/icon.svg", SVG, "../static/icon.svg"),
    file!("/console/main.js", JAVASCRIPT, "../static/main.js"),
    file!("/console/outward.js", JAVASCRIPT, "../static/outward.js"),
    file!("/console/player.js", JAVASCRIPT, "../static/player.js"),
    file!("/console/theme.js", JAVASCRIPT, "../static/theme.js"),
    file!("/console/urls.js", JAVASCRIPT, "../static/urls.js"),
    file!("/console/vendor/hls.light.min.js", JAVASCRIPT, "../vendor/hls.js/hls.light.min.js"),
    file!("/console/vendor/hls.LICENSE.txt", TEXT, "../vendor/hls.js/LICENSE"),
    file!("/console/vendor/mpegts.js", JAVASCRIPT, "../vendor/mpegts.js/mpegts.js"),
    file!("/console/vendor/mpegts.LICENSE.txt", TEXT, "../vendor/mpegts.js/LICENSE"),
    file!("/console/vendor/uPlot.iife.min.js", JAVASCRIPT, "../vendor/uplot/uPlot.iife.min.js"),
    file!("/console/vendor/uPlot.LICENSE.txt", TEXT, "../vendor/uplot/LICENSE"),
    file!("/console/vendor/uPlot.min.css", CSS, "../vendor/uplot/uPlot.min.css"),
];

/// The file of a path.
#[must_use]
pub fn find(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}

const TAG_LEN: usize = 18;

/// A hash of the bytes (FNV-1a) between quotes, made while compiling.
const fn tag(bytes: &[u8]) -> [u8; TAG_LEN] {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        hash = (hash ^ *byte as u64).wrapping_mul(0x0000_0100_0000_01B3);
        rest = after;
    }
    let mut tag = [b'"'; TAG_LEN];
    let mut index = 0;
    while index < 16 {
        tag[index + 1] = b"0123456789abcdef"[(hash >> (60 - 4 * index)) as usize & 15];
        index += 1;
    }
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    extern crate std;
    use std::collections::BTreeSet;
    use std::string::String;

    fn text(path: &str) -> String {
        String::from_utf8(find(path).expect(path).bytes.to_vec()).expect(path)
    }

    #[test]
    fn each_path_and_each_tag_is_there_once() {
        let paths: BTreeSet<_> = FILES.iter().map(|file| file.path).collect();
        let tags: BTreeSet<_> = FILES.iter().map(|file| file.etag).collect();
        assert_eq!((paths.len(), tags.len()), (FILES.len(), FILES.len()));
        for file in FILES {
            let digits = file.etag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            assert!(digits.is_some_and(|tag| tag.len() == 16), "{}: {}", file.path, file.etag);
            assert!(!file.bytes.is_empty(), "{}", file.path);
        }
    }

    #[test]
    fn tags_are_those_of_the_bytes() {
        // Test vectors of FNV-1a.
        assert_eq!(&tag(b""), b"\"cbf29ce484222325\"");
        assert_eq!(&tag(b"foobar"), b"\"85944171f73967e8\"");
    }

    #[test]
    fn only_whole_paths_are_found() {
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(find(path).map(|file| file.path), expected, "{path}");
        };
        check("/", Some("/"));
        check("/console/main.js", Some("/console/main.js"));
        check("", None);
        check("/console", None);
        check("/console/", None);
        check("/console/main.js/", None);
        check("/console/../console/main.js", None);
        check("//", None);
    }

    #[test]
    fn the_page_asks_for_files_that_are_there_and_for_nothing_elsewhere() {
        let page = text("/");
        let asked = page.split(['"', '\'']).filter(|word| word.starts_with("console/"));
        let asked: BTreeSet<_> = asked.collect();
        assert!(asked.len() >= 4, "{asked:?}");
        for path in asked {
            assert!(find(&std::format!("/{path}")).is_some(), "{path}");
        }
        assert!(!page.contains("://"), "the page names another host");
        assert!(!page.contains("style=") && !page.contains(" on"), "the page has inline code");
    }

    #[test]
    fn scripts_import_and_load_what_is_there() {
        let scripts = FILES.iter().filter(|file| {
            file.content_type == JAVASCRIPT && !file.path.starts_with("/console/vendor/")
        });
        let mut imports = 0;
        for file in scripts {
            let script = text(file.path);
            for word in script.split('"').filter(|word| word.starts_with("./")) {
                let path = word.replacen('.', "/console", 1);
                assert!(find(&path).is_some(), "{}: {word}", file.path);
                imports += 1;
            }
            for banned in ["innerHTML", "eval(", "document.write", "insertAdjacentHTML"] {
                assert!(!script.contains(banned), "{}: {banned}", file.path);
            }
        }
        assert!(imports > 10, "the scripts were not read");
    }
}
