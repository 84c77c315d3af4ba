//! The machine beside the sockets: programs that exit, hang and do not listen, files that cannot be
//! written.

use super::SimTransport;
use super::failing::reason;
use crate::entropy::Entropy;
use crate::net::Micros;
use millstream_core::drive::IoFailure;
use millstream_core::id::JobId;
use millstream_core::job::{Exit, Job, JobResult, Signal};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A program that is told to end at once may take so long: it waits for a disk.
const DYING_MAX: Micros = 3_000_000;

/// How a machine treats its jobs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HostPlan {
    /// One in so many jobs fails, or ends soon; 0 for none.
    pub failing_one_in: u64,
    /// One in so many programs does not end when it is asked to, and takes its time to die; 0 for
    /// none.
    pub stubborn_one_in: u64,
    /// What a job on a file takes at most.
    pub file_delay: Micros,
}

/// A shard and one of its jobs.
pub(super) type JobKey = (usize, JobId);

/// The machine.
#[derive(Debug)]
pub(super) struct Host {
    entropy: Entropy,
    plan: HostPlan,
    running: BTreeMap<JobKey, Running>,
    /// What went wrong: no server starts what runs already.
    pub(super) complaint: Option<String>,
}

#[derive(Debug)]
struct Running {
    argv: Option<Arc<[Arc<str>]>>,
    is_stubborn: bool,
    result: JobResult,
}

impl Host {
    pub(super) const fn new(plan: HostPlan, entropy: Entropy) -> Self {
        Self { entropy, plan, running: BTreeMap::new(), complaint: None }
    }

    /// Jobs that are not over.
    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// Begins a job; gives after what time it ends by itself.
    pub(super) fn start(
        &mut self,
        key: JobKey,
        work: Job,
        failure: Option<IoFailure>,
    ) -> Option<Micros> {
        let fails = self.entropy.one_in(self.plan.failing_one_in);
        let (argv, after) = match work {
            Job::Run { argv, .. } => {
                let again = self.running.values().any(|other| other.argv.as_ref() == Some(&argv));
                if again {
                    self.complaint = Some(format!("{argv:?} runs already"));
                }
                let lives = [0, 20_000, 700_000, 9_000_000];
                (Some(argv), fails.then(|| self.entropy.choose(&lives)))
            }
            _ => (None, Some(self.entropy.range(0..=self.plan.file_delay))),
        };
        let result = match (&argv, fails, after) {
            (None, false, _) => JobResult::Done,
            (None, true, _) => JobResult::Failed { reason: "No space left on device".into() },
            (Some(_), _, Some(0)) => JobResult::Failed { reason: "No such file".into() },
            (Some(_), ..) => exited(Some(1), None),
        };
        let (result, after) = match failure {
            None => (result, after),
            Some(failure) => (JobResult::Failed { reason: reason(failure).into() }, Some(0)),
        };
        let is_stubborn = self.entropy.one_in(self.plan.stubborn_one_in);
        if self.running.insert(key, Running { argv, is_stubborn, result }).is_some() {
            self.complaint = Some(format!("job {} was begun twice", key.1.0));
        }
        after
    }

    /// Tells a program to end; gives after what time it does.
    pub(super) fn signal(&mut self, key: JobKey, signal: Signal) -> Option<Micros> {
        let running = self.running.get_mut(&key)?;
        match signal {
            Signal::Terminate if running.is_stubborn => None,
            Signal::Terminate => {
                running.result = exited(Some(255), None);
                Some(self.entropy.range(0..=500_000))
            }
            Signal::Kill => {
                running.result = exited(None, Some(9));
                let dying_max = if running.is_stubborn { DYING_MAX } else { 10_000 };
                Some(self.entropy.range(0..=dying_max))
            }
        }
    }

    /// All jobs of a shard go with it.
    pub(super) fn forget(&mut self, port: usize) {
        self.running.retain(|(of, _), _| *of != port);
    }

    /// A job is over, if it was not before.
    pub(super) fn end(&mut self, key: JobKey) -> Option<JobResult> {
        self.running.remove(&key).map(|running| running.result)
    }
}

impl SimTransport {
    /// The same on a machine that treats its jobs as `plan` says.
    #[must_use]
    pub fn with_host(mut self, plan: HostPlan, entropy: Entropy) -> Self {
        self.host = Host::new(plan, entropy);
        self
    }

    /// Jobs that are not over.
    #[must_use]
    pub fn jobs(&self) -> usize {
        self.host.len()
    }

    /// What a server asked of its machine and should not have.
    pub const fn take_complaint(&mut self) -> Option<String> {
        self.host.complaint.take()
    }
}

fn exited(code: Option<i32>, signal: Option<i32>) -> JobResult {
    let last_words = "it ends".into();
    JobResult::Exited(Exit { code, signal, was_silent: false, last_words })
}
