use super::super::{JobSink, Jobs};
use super::*;
use millstream_core::job::Job;
use pretty_assertions::assert_eq;
use std::fs::{self, File};
use std::sync::mpsc::{Receiver, channel};

struct Shell {
    ended: Receiver<(JobId, JobResult)>,
    jobs: Jobs,
    told: Receiver<(JobId, JobNews)>,
}

impl Shell {
    fn new() -> Self {
        let (sender, ended) = channel();
        let (tell, told) = channel();
        let sink: JobSink = Arc::new(move |job, report| {
            let _ = match report {
                Report::Done(result) => sender.send((job, result)).is_ok(),
                Report::Told(news) => tell.send((job, news)).is_ok(),
            };
        });
        Self { ended, jobs: Jobs::new(sink), told }
    }

    fn start(&mut self, job: u32, script: &str) {
        self.start_with(job, script, None, None);
    }

    fn start_with(
        &mut self,
        job: u32,
        script: &str,
        log: Option<&str>,
        silence_max: Option<Duration>,
    ) {
        let argv = ["sh", "-c", script].map(Arc::from);
        let log = log.map(Arc::from);
        self.jobs.start(JobId(job), Job::Run { argv: Arc::new(argv), log, silence_max });
    }

    fn exit(&self, job: u32) -> Exit {
        match self.ended.recv_timeout(Duration::from_secs(20)).expect("an end") {
            (id, JobResult::Exited(exit)) if id == JobId(job) => exit,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_end_and_the_last_words_are_told() {
    let mut shell = Shell::new();
    shell.start(7, "echo first >&2; echo out; echo last >&2; exit 3");
    let exit = shell.exit(7);
    let last_words = "first\nlast".into();
    assert_eq!(exit, Exit { code: Some(3), signal: None, was_silent: false, last_words });
}

#[test]
fn what_a_program_does_is_told_while_it_runs() {
    let mut shell = Shell::new();
    shell.start(3, "echo first >&2; echo $$ >&2; read nothing; exec sleep 1000");
    let patience = Duration::from_secs(20);
    let (id, news) = shell.told.recv_timeout(patience).expect("its begin");
    let JobNews::Began { process } = news else { panic!("{news:?}") };
    assert_eq!(id, JobId(3));
    // What was said a moment later is told a second later.
    let words = wait_for(|| match shell.told.recv_timeout(patience) {
        Ok((JobId(3), JobNews::Said { last_words })) => {
            last_words.contains('\n').then_some(last_words)
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(*words, *format!("first\n{process}"));
    shell.jobs.signal(JobId(3), Signal::Kill);
    assert_eq!(shell.exit(3).signal, Some(9));
}

#[test]
fn a_flood_of_words_is_told_once_a_second() {
    let mut shell = Shell::new();
    shell.start(1, "head -c 30000000 /dev/zero | tr '\\0' '\\n' >&2");
    let began = Instant::now();
    shell.exit(1);
    let seconds = usize::try_from(began.elapsed().as_secs()).expect("few");
    let told = shell.told.try_iter().count();
    assert!(told <= 3 + seconds, "{told} in {seconds} s");
}

#[test]
fn a_program_that_is_not_there_fails_with_its_name() {
    let mut shell = Shell::new();
    let argv: Arc<[Arc<str>]> = Arc::new(["/nowhere/ffmpeg".into()]);
    shell.jobs.start(JobId(1), Job::Run { argv, log: None, silence_max: None });
    let (_, result) = shell.ended.recv().expect("an end");
    let JobResult::Failed { reason } = result else { panic!("{result:?}") };
    assert!(reason.starts_with("/nowhere/ffmpeg cannot be run: "), "{reason}");
}

#[test]
fn row_117_a_program_that_ignores_the_end_is_killed_with_its_children() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("child");
    let mut shell = Shell::new();
    let script = format!(
        "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > {0}.part; mv {0}.part {0}; sleep 1000 & wait; \
         sleep 1000' & wait; sleep 1000",
        file.display()
    );
    shell.start(1, &script);
    let child = wait_for(|| fs::read_to_string(&file).ok());
    shell.jobs.signal(JobId(1), Signal::Terminate);
    assert!(shell.ended.recv_timeout(Duration::from_millis(300)).is_err(), "it ignores that");
    shell.jobs.signal(JobId(1), Signal::Kill);
    assert_eq!(shell.exit(1).signal, Some(9));
    let process = format!("/proc/{}/stat", child.trim());
    wait_for(|| is_gone(&process).then_some(()));
}

#[test]
fn row_117_a_flood_of_words_fills_neither_memory_nor_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("ffmpeg.log");
    let mut shell = Shell::new();
    let script = "head -c 30000000 /dev/zero | tr '\\0' 'x' >&2; echo >&2; echo end >&2";
    shell.start_with(1, script, log.to_str(), None);
    let exit = shell.exit(1);
    assert_eq!((exit.code, &*exit.last_words), (Some(0), "end"));
    let len = fs::metadata(&log).expect("a log").len();
    assert!(len < 20 * (log::BYTES_PER_SECOND as u64), "{len}");
}

#[test]
fn row_117_a_program_that_hangs_is_killed() {
    let mut shell = Shell::new();
    shell.start_with(1, "echo begin; exec sleep 1000", None, Some(Duration::from_millis(300)));
    let exit = shell.exit(1);
    assert_eq!((exit.signal, exit.was_silent), (Some(9), true));
}

#[test]
fn row_119_a_program_has_nothing_of_the_server_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("secret");
    let _file = File::create(&path).expect("a file");
    let _listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut shell = Shell::new();
    shell.start(1, "ls -l /proc/self/fd >&2");
    let open = shell.exit(1).last_words;
    assert!(open.contains(" 2 -> pipe:"), "{open}");
    assert!(!open.contains("secret") && !open.contains("socket:"), "{open}");
}

#[test]
fn row_120_a_program_that_has_ended_gets_no_signal() {
    let mut shell = Shell::new();
    shell.start(1, "exit 0");
    shell.exit(1);
    shell.jobs.signal(JobId(1), Signal::Kill);
    shell.jobs.signal(JobId(2), Signal::Kill);
}

#[test]
fn programs_end_with_the_shard() {
    let mut shell = Shell::new();
    shell.start(1, "echo $$ >&2; exec sleep 1000");
    drop(shell.jobs);
    let (_, result) = shell.ended.recv_timeout(Duration::from_secs(20)).expect("an end");
    assert!(matches!(result, JobResult::Exited(Exit { signal: Some(9), .. })), "{result:?}");
}

/// Gone, or dead and not yet taken note of by whoever inherited it.
fn is_gone(stat: &str) -> bool {
    fs::read_to_string(stat).map_or(true, |stat| stat.contains(") Z "))
}

/// Looks until there is something, for a while.
fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it never came");
        std::thread::yield_now();
    }
}

#[test]
fn a_log_that_cannot_be_written_stops_no_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "no folder").expect("a file");
    let log = file.join("ffmpeg.log");
    let mut shell = Shell::new();
    shell.start_with(1, "echo works >&2", log.to_str(), None);
    let exit = shell.exit(1);
    assert_eq!((exit.code, &*exit.last_words), (Some(0), "works"));
    let unwritable = Mutex::default();
    for _ in 0..2 {
        assert!(open_log(log.to_str().expect("text"), &unwritable).is_none());
        assert_eq!(lock(&unwritable).len(), 1, "a folder is warned of once");
    }
}
