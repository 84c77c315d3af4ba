//! The commands that read a configuration and print: what they say, and how they end.

use crate::cli::{Check, ConfigCommand, Convert};
use crate::convert::{self, Converted};
use crate::settings::encoders::Ask;
use crate::settings::problem::{Look, Problems};
use crate::settings::{Source, read_file, reference, show};

/// What a command prints, and how it ends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Printed {
    /// To standard output.
    pub out: String,
    /// To standard error.
    pub err: String,
    /// It has failed: the exit code is 1.
    pub failed: bool,
}

/// `millstream check`; `ask` asks the programs that transcode.
#[must_use]
pub fn check(args: &Check, look: Look, ask: &mut Ask<'_>) -> Printed {
    let source = Source::of_process(args.config.clone(), Vec::new());
    let name = source.file.as_ref().map_or("(no file)".into(), |file| file.display().to_string());
    let (problems, failed) = match source.load() {
        Ok(mut loaded) => {
            let lacking = loaded.lacking(ask);
            let failed = lacking.are_fatal();
            loaded.warnings.join(lacking);
            (vec![loaded.warnings], failed)
        }
        Err(problems) => (problems, true),
    };
    if args.json {
        let one = |problems: serde_json::Value| match problems.as_array() {
            Some(problems) => problems.clone(),
            None => vec![problems],
        };
        let all = problems.iter().map(Problems::to_json).flat_map(one);
        let document = serde_json::json!({
            "file": name,
            "ok": !failed,
            "problems": all.collect::<Vec<_>>(),
        });
        return Printed { out: format!("{document:#}\n"), err: String::new(), failed };
    }
    let err = render(&problems, look);
    let count = problems.iter().map(|problems| problems.list.len()).sum::<usize>();
    let out = match (failed, count) {
        (false, 0) => format!("{name}: good\n"),
        (false, 1) => format!("{name}: good, with 1 warning\n"),
        (false, count) => format!("{name}: good, with {count} warnings\n"),
        (true, 1) => format!("{name}: 1 problem\n"),
        (true, count) => format!("{name}: {count} problems\n"),
    };
    Printed { out, err, failed }
}

/// `millstream config`.
#[must_use]
pub fn config(command: &ConfigCommand, look: Look) -> Printed {
    let args = match command {
        ConfigCommand::Doc(_) => {
            return Printed { out: reference::markdown(), ..Printed::default() };
        }
        ConfigCommand::Show(args) => args,
    };
    match args.serve.source().load() {
        Ok(loaded) if args.json => {
            Printed { out: format!("{:#}\n", show::json(&loaded)), ..Printed::default() }
        }
        Ok(loaded) => Printed {
            out: show::text(&loaded),
            err: render(std::slice::from_ref(&loaded.warnings), look),
            failed: false,
        },
        Err(problems) => {
            Printed { err: render(&problems, look), failed: true, ..Printed::default() }
        }
    }
}

/// All reports, for people.
#[must_use]
pub fn render(problems: &[Problems], look: Look) -> String {
    problems.iter().map(|problems| problems.render(look)).collect()
}

/// `millstream convert`.
#[must_use]
pub fn convert(args: &Convert, look: Look) -> Printed {
    let name = args.file.display().to_string();
    let bytes = match read_file(&args.file) {
        Ok(bytes) => bytes,
        Err(message) => {
            let problems = [Problems::unreadable(&name, message)];
            return Printed { err: render(&problems, look), failed: true, ..Printed::default() };
        }
    };
    let Converted { text, problems } = convert::convert(&name, &bytes);
    Printed { err: problems.render(look), failed: problems.are_fatal(), out: text }
}
