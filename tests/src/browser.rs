//! A headless Chromium, driven through its debugging pipe: one JSON message after another.
//!
//! The pipe needs neither a port nor a WebSocket. Chromium reads from descriptor 3 and writes to 4,
//! so a shell puts our pipes there.
use crate::client::Scratch;
use crate::program::PATIENCE;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// One page of a browser of its own; dropped, both end.
#[derive(Debug)]
pub struct Page {
    child: Child,
    complaints: Vec<String>,
    messages: Receiver<Value>,
    next_id: u64,
    pipe: ChildStdin,
    session: Option<String>,
    _profile: Scratch,
}

/// What the screen of a page is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Screen {
    /// In CSS pixels.
    pub width: u32,
    /// In CSS pixels.
    pub height: u32,
    /// The system's theme is the dark one.
    pub dark: bool,
}

const ARGUMENTS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--no-first-run",
    "--no-default-browser-check",
    "--mute-audio",
    "--remote-debugging-pipe",
];

impl Page {
    /// Starts Chromium with an empty page.
    ///
    /// # Panics
    /// When it cannot be started: `tests/run` installs it.
    #[must_use]
    pub fn open(name: &str, screen: Screen) -> Self {
        let profile = Scratch::new(&format!("browser-{name}"));
        let mut command = Command::new("sh");
        command.args(["-c", "exec chromium \"$@\" 3<&0 4>&1 >&2", "chromium"]).args(ARGUMENTS);
        command.arg(format!("--user-data-dir={}", profile.file("profile").display()));
        command.arg("about:blank");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("a shell can be started");
        let pipe = child.stdin.take().expect("the input is a pipe");
        let output = child.stdout.take().expect("the output is a pipe");
        let (sender, messages) = mpsc::channel();
        thread::spawn(move || {
            for message in BufReader::new(output).split(0) {
                let message = message.ok().and_then(|text| serde_json::from_slice(&text).ok());
                if message.is_none_or(|message| sender.send(message).is_err()) {
                    return;
                }
            }
        });
        let mut page = Self {
            child,
            complaints: Vec::new(),
            messages,
            next_id: 0,
            pipe,
            session: None,
            _profile: profile,
        };
        page.attach();
        page.set_screen(screen);
        page
    }

    /// Changes the screen.
    pub fn set_screen(&mut self, screen: Screen) {
        let Screen { width, height, dark } = screen;
        let mobile = width < 600;
        let metrics = json!({
            "width": width, "height": height, "screenWidth": width, "screenHeight": height,
            "deviceScaleFactor": 1, "mobile": mobile,
        });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Goes to an address.
    pub fn go(&mut self, url: &str) {
        let answer = self.call("Page.navigate", json!({ "url": url }));
        assert_eq!(answer["errorText"], Value::Null, "{url}");
        self.wait_for("document.readyState === 'complete'");
    }

    /// The value of an expression; a promise is awaited.
    ///
    /// # Panics
    /// When it throws.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true,
            "userGesture": true,
        });
        let answer = self.call("Runtime.evaluate", parameters);
        let thrown = &answer["exceptionDetails"];
        assert!(thrown.is_null(), "{expression} throws {thrown}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true, and gives its value.
    ///
    /// # Panics
    /// After [`PATIENCE`], with what the page shows.
    pub fn wait_for(&mut self, expression: &str) -> Value {
        let limit = PATIENCE.as_millis();
        let waiting = format!(
            "(async () => {{ const end = Date.now() + {limit}; while (Date.now() < end) {{ \
             let value; try {{ value = (() => {expression})(); }} catch {{}} \
             if (value) return value; \
             await new Promise((go) => setTimeout(go, 100)); }} return false; }})()"
        );
        let value = self.evaluate(&waiting);
        if value == json!(false) {
            let shown = self.evaluate("document.body.innerText");
            panic!(
                "never true: {expression}\n{}\n{:?}",
                shown.as_str().unwrap_or_default(),
                self.complaints
            );
        }
        value
    }

    /// Clicks into the middle of the element that a selector finds.
    pub fn click(&mut self, selector: &str) {
        let selector = json!(selector);
        let at = self.evaluate(&format!(
            "(() => {{ const element = document.querySelector({selector}); \
             element.scrollIntoView({{block: 'center', behavior: 'instant'}}); \
             const box = element.getBoundingClientRect(); \
             return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({
                "type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1,
            });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Presses a key such as `Tab` or `Enter`.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            " " => (32, " "),
            _ => panic!("no key {key}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let event =
                json!({"type": kind, "key": key, "windowsVirtualKeyCode": code, "text": text});
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Keeps a picture of the screen in `tests/.cache/screenshots`, to be looked at.
    pub fn photograph(&mut self, name: &str) {
        let answer = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let picture = base64(answer["data"].as_str().expect("a picture"));
        let folder: PathBuf = crate::tree::root().join("tests/.cache/screenshots");
        std::fs::create_dir_all(&folder).expect("the folder of the cache can be written");
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("a picture is written");
    }

    /// What the page has complained about so far: errors, refused sources, failed requests.
    pub fn take_complaints(&mut self) -> Vec<String> {
        self.evaluate("1");
        std::mem::take(&mut self.complaints)
    }

    /// Sends a message and waits for its answer.
    ///
    /// # Panics
    /// When the browser says that it is wrong, or nothing.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut text = message.to_string().into_bytes();
        text.push(0);
        self.pipe.write_all(&text).expect("the browser reads; tests/run installs chromium");
        loop {
            // A page that waits has a limit of its own, which comes first.
            let patience = PATIENCE + Duration::from_secs(10);
            let message = self.messages.recv_timeout(patience);
            let message = message.unwrap_or_else(|error| {
                panic!(
                    "the browser does not answer {method} ({error}); tests/run installs chromium"
                )
            });
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.hear(&message);
        }
    }

    fn attach(&mut self) {
        let target = self.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = self.call("Target.attachToTarget", attach);
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        assert!(self.session.is_some(), "{attached}");
        for domain in ["Page", "Runtime", "Log"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    fn hear(&mut self, message: &Value) {
        let parameters = &message["params"];
        let complaint = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => parameters["exceptionDetails"].to_string(),
            Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => {
                let entry = &parameters["entry"];
                format!("{} {}", entry["text"], entry["url"])
            }
            Some("Runtime.consoleAPICalled")
                if matches!(parameters["type"].as_str(), Some("error" | "warning" | "assert")) =>
            {
                parameters["args"].to_string()
            }
            _ => return,
        };
        self.complaints.push(complaint);
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // Both fail when it has ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Decodes base64 as the browser writes it.
fn base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut bits, mut len) = (Vec::new(), 0_u32, 0);
    for sextet in text.bytes().filter_map(value) {
        bits = bits << 6 | u32::from(sextet);
        len += 6;
        if len >= 8 {
            len -= 8;
            bytes.push((bits >> len) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn base64_is_decoded() {
        let check = |text: &str, bytes: &[u8]| assert_eq!(base64(text), bytes, "{text}");
        check("", b"");
        check("Zg==", b"f");
        check("Zm8=", b"fo");
        check("Zm9vYmFy", b"foobar");
        check("+/8=", &[0xFB, 0xFF]);
    }
}
