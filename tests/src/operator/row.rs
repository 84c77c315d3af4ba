//! A row of a table of directives: what is seen before a reload, what the plan says, what is seen after.
use super::{Broadcast, Operator};
use crate::program::PATIENCE;
use std::thread;
use std::time::{Duration, Instant};

/// What one directive does to a server that runs.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What it is about.
    pub directive: &'static str,
    /// The settings, and what is seen then.
    pub before: (&'static str, &'static str),
    /// The settings after the reload, and what is seen then.
    pub after: (&'static str, &'static str),
    /// Words of the plan.
    pub plan: &'static [&'static str],
    /// How it is seen.
    pub look: fn(&mut Hall) -> String,
}

/// The server of a table, and the stream that a row may want.
#[derive(Debug)]
pub struct Hall {
    /// Who runs the server.
    pub operator: Operator,
    cam: Option<Broadcast>,
}

impl Hall {
    /// Somebody who publishes `cam` from the first look of a row to its end.
    pub fn cam(&mut self) -> &Broadcast {
        self.cam.get_or_insert_with(|| self.operator.publish())
    }
}

/// Changes one server as all the rows say, one after the other; each second reload is by signal.
///
/// # Panics
/// What is seen is not what a row says, or a by-stander has lost something.
pub fn check(name: &str, rows: &[Row]) {
    let mut hall = Hall { operator: Operator::start(name), cam: None };
    for (index, row) in rows.iter().enumerate() {
        let Row { directive, before, after, plan, look } = *row;
        let reload = |hall: &Hall, settings: &str, is_signal: bool| match is_signal {
            true => hall.operator.hang_up(settings),
            false => hall.operator.reload(settings),
        };
        let is_even = index % 2 == 0;
        drop(reload(&hall, before.0, !is_even));
        see(&mut hall, directive, "before", look, before.1);
        let told = reload(&hall, after.0, is_even);
        for words in plan {
            assert!(told.contains(words), "{directive}: the plan is\n{told}");
        }
        see(&mut hall, directive, "after", look, after.1);
        hall.operator.assert_undisturbed();
        hall.cam = None;
    }
    hall.operator.finish();
}

/// Looks until it is as expected: files and processes take their time.
fn see(
    hall: &mut Hall,
    directive: &str,
    when: &str,
    look: fn(&mut Hall) -> String,
    expected: &str,
) {
    let began = Instant::now();
    loop {
        let seen = look(hall);
        if seen == expected {
            return;
        }
        let log = || hall.operator.program().log();
        let is_late = began.elapsed() > PATIENCE;
        assert!(!is_late, "{directive}, {when}: {seen}, not {expected}\n{}", log());
        thread::park_timeout(Duration::from_millis(50));
    }
}
