//! The server's jobs: files on a thread of their own, each program with a thread of its own.

mod files;
#[cfg(unix)]
mod processes;
#[cfg(unix)]
mod ring;

#[cfg(unix)]
pub(crate) use processes::{Excess, output_of};

use millstream_core::id::JobId;
use millstream_core::job::{Job, JobNews, JobResult, Signal};
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Takes what is told of jobs, on any thread.
pub type JobSink = Arc<dyn Fn(JobId, Report) + Send + Sync>;

/// What is told of a job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Report {
    /// It is over.
    Done(JobResult),
    /// It goes on.
    Told(JobNews),
}

/// The jobs of one shard. Files are written in the order in which the server asked for it, so that
/// what is removed after it was written is gone.
pub struct Jobs {
    files: Option<Sender<(JobId, Job)>>,
    #[cfg(unix)]
    processes: processes::Processes,
    sink: JobSink,
}

impl Jobs {
    /// Each job that is started has one end, which `sink` gets.
    #[must_use]
    pub fn new(sink: JobSink) -> Self {
        Self {
            files: None,
            #[cfg(unix)]
            processes: processes::Processes::new(sink.clone()),
            sink,
        }
    }

    /// Begins a job.
    pub fn start(&mut self, job: JobId, work: Job) {
        match work {
            Job::Write { .. } | Job::Remove { .. } | Job::Sweep { .. } => {
                self.queue_file(job, work)
            }
            #[cfg(unix)]
            Job::Run { argv, log, silence_max } => {
                let command = processes::Command { argv, log, silence_max };
                if let Err(error) = self.processes.start(job, command) {
                    self.fail(job, &error.to_string());
                }
            }
            other => {
                let reason = format!("not known to this version: {other:?}");
                self.fail(job, &reason);
            }
        }
    }

    /// Tells a running program to end; nothing happens if it has ended.
    #[cfg(unix)]
    pub fn signal(&self, job: JobId, signal: Signal) {
        self.processes.signal(job, signal);
    }

    /// No program runs on this system.
    #[cfg(not(unix))]
    #[expect(clippy::unused_self, reason = "the same on every system")]
    pub const fn signal(&self, _: JobId, _: Signal) {}

    fn queue_file(&mut self, job: JobId, work: Job) {
        if self.files.is_none() {
            match start_files(self.sink.clone()) {
                Ok(files) => self.files = Some(files),
                Err(error) => return self.fail(job, &error.to_string()),
            }
        }
        let sent = self.files.as_ref().map(|files| files.send((job, work)));
        if !matches!(sent, Some(Ok(()))) {
            self.files = None;
            self.fail(job, "the thread that writes files has ended");
        }
    }

    fn fail(&self, job: JobId, reason: &str) {
        let failed = JobResult::Failed { reason: reason.into() };
        (self.sink)(job, Report::Done(failed));
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("has_thread", &self.files.is_some()).finish_non_exhaustive()
    }
}

/// The thread ends with the jobs that ask for it, after the last of them is done.
fn start_files(sink: JobSink) -> std::io::Result<Sender<(JobId, Job)>> {
    let (sender, receiver): (_, Receiver<(JobId, Job)>) = channel();
    std::thread::Builder::new().name("files".into()).spawn(move || {
        for (job, work) in receiver {
            let result = match files::perform(&work) {
                Ok(()) => JobResult::Done,
                Err(error) => JobResult::Failed { reason: error.to_string().into() },
            };
            sink(job, Report::Done(result));
        }
    })?;
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use std::fs;

    /// Starts jobs and gives their ends, in the order in which they came.
    fn run(work: Vec<Job>) -> Vec<(JobId, JobResult)> {
        let (sender, ended) = channel();
        let sink: JobSink = Arc::new(move |job, report| {
            if let Report::Done(result) = report {
                let _ = sender.send((job, result));
            }
        });
        let mut jobs = Jobs::new(sink);
        let count = work.len();
        for (id, work) in (0..).map(JobId).zip(work) {
            jobs.start(id, work);
        }
        ended.iter().take(count).collect()
    }

    fn write(path: &str, parts: &[&'static str]) -> Job {
        let bytes = parts.iter().map(|part| bytes::Bytes::from(*part)).collect();
        Job::Write { path: path.into(), bytes }
    }

    #[test]
    fn files_are_written_replaced_and_removed_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("live/deep/x.m3u8");
        let path = path.to_str().expect("text");
        let ended = run(vec![write(path, &["one"]), write(path, &["two", " ", "three"])]);
        let done = |job| (JobId(job), JobResult::Done);
        assert_eq!(ended, [done(0), done(1)]);
        assert_eq!(fs::read_to_string(path).expect("a file"), "two three");
        let beside = fs::read_dir(folder.path().join("live/deep")).expect("a folder").count();
        assert_eq!(beside, 1, "nothing temporary is left");
        let remove = Job::Remove { path: path.into() };
        assert_eq!(run(vec![remove.clone(), remove]), [done(0), done(1)]);
        assert!(!fs::exists(path).expect("a folder"));
    }

    #[test]
    fn segments_of_an_earlier_run_are_swept_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = [
            "a-99.ts",
            "a-100.ts",
            "a-0101.ts",
            "a-101.ts",
            "a-102.ts",
            "a-101.mp4",
            "a.m3u8",
            "a-b-101.ts",
            "b-101.ts",
        ];
        for name in names {
            fs::write(folder.path().join(name), "x").expect("a file");
        }
        fs::create_dir(folder.path().join("a-101.ts.d")).expect("a folder");
        fs::create_dir(folder.path().join("a-100.ts.d")).expect("a folder");
        let sweep = |stem: &str| Job::Sweep {
            stem: folder.path().join(stem).to_str().expect("text").into(),
            numbers: 100..102,
        };
        let ended = run(vec![sweep("a"), sweep("a"), sweep("none/a")]);
        assert!(ended.iter().all(|(_, result)| *result == JobResult::Done), "{ended:?}");
        let is_left = |name: &&str| fs::exists(folder.path().join(name)).expect("a folder");
        let gone: Vec<_> = names.into_iter().filter(|name| !is_left(name)).collect();
        assert_eq!(gone, ["a-100.ts", "a-101.ts"]);
    }

    #[test]
    fn a_failure_says_why_and_leaves_the_old_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "old").expect("a file");
        let below = path.join("x.ts");
        let ended = run(vec![write(below.to_str().expect("text"), &["new"])]);
        assert!(
            matches!(&*ended, [(JobId(0), JobResult::Failed { reason })] if !reason.is_empty())
        );
        assert_eq!(fs::read_to_string(&path).expect("a file"), "old");
    }
}
