//! The transports: each is a program of its own with the same command line, and passes the same tests.
use crate::program::output_of;
use crate::tree;
use serde_json::Value;
use std::cell::Cell;
use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Makes two tests of each function: `tokio::name` and `async_std::name`.
///
/// `MILLSTREAM_TRANSPORT=tokio` (or `async-std`) leaves the others out.
#[macro_export]
macro_rules! on_both_transports {
    ($($test:ident),+ $(,)?) => {
        mod tokio {
            $(#[test] fn $test() { $crate::transport::Transport::Tokio.test(super::$test); })+
        }
        mod async_std {
            $(#[test] fn $test() { $crate::transport::Transport::AsyncStd.test(super::$test); })+
        }
    };
}

/// A transport of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// On tokio: the program `millstream`.
    Tokio,
    /// On async-std: the program `millstream-async-std`.
    AsyncStd,
}

thread_local! {
    static UNDER_TEST: Cell<Option<Transport>> = const { Cell::new(None) };
}

impl Transport {
    /// What this thread tests: as [`Self::test`] says, else as `MILLSTREAM_TRANSPORT` does, else
    /// tokio.
    #[must_use]
    pub fn under_test() -> Self {
        UNDER_TEST.get().or_else(Self::demanded).unwrap_or(Self::Tokio)
    }

    /// Runs a test on this transport, unless another one is demanded.
    pub fn test(self, test: impl FnOnce()) {
        if Self::demanded().is_none_or(|demanded| demanded == self) {
            UNDER_TEST.set(Some(self));
            test();
        }
    }

    /// The program: what a variable of the environment names (`MILLSTREAM_TOKIO_PROGRAM`,
    /// `MILLSTREAM_ASYNC_STD_PROGRAM`), or what cargo builds now.
    #[must_use]
    pub fn binary(self) -> PathBuf {
        static TOKIO: OnceLock<PathBuf> = OnceLock::new();
        static ASYNC_STD: OnceLock<PathBuf> = OnceLock::new();
        let (place, variable, package) = match self {
            Self::Tokio => (&TOKIO, "MILLSTREAM_TOKIO_PROGRAM", "millstream-tokio"),
            Self::AsyncStd => (&ASYNC_STD, "MILLSTREAM_ASYNC_STD_PROGRAM", "millstream-async-std"),
        };
        place
            .get_or_init(|| env::var_os(variable).map_or_else(|| build(package), PathBuf::from))
            .clone()
    }

    fn demanded() -> Option<Self> {
        match env::var("MILLSTREAM_TRANSPORT").ok()?.as_str() {
            "" => None,
            "tokio" => Some(Self::Tokio),
            "async-std" => Some(Self::AsyncStd),
            other => panic!("MILLSTREAM_TRANSPORT is tokio or async-std, not {other}"),
        }
    }
}

fn build(package: &str) -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--message-format", "json", "-p", package]);
    command.current_dir(tree::root());
    let messages = String::from_utf8(output_of(&mut command)).expect("cargo writes UTF-8");
    let mut executables = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    executables.next_back().unwrap_or_else(|| panic!("{package} has a binary"))
}
