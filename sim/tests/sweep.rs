//! Every operation of one rich run fails once, each in a run of its own.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use millstream_sim::scenario::{Scenario, read, write};
use millstream_sim::trace::Detail;
use millstream_sim::transport::{Failing, OPERATIONS};
use millstream_sim::world::{Origin, run};
use std::time::Instant;

/// Runs for each kind of operation: more are spread over all that there are. Builds with debug
/// assertions are slow.
const RUNS_MAX: u64 = if cfg!(debug_assertions) { 6 } else { 200 };

/// Publishers, players and viewers on two shards, programs and files, and a chain of servers.
const RICH: &str = r#"
scenario seed=7 entropy=262144 duration=6000000
server shards=2 engines=1 hls=#true grace=1000000 idle=3000000 play-wait=2000000
publisher again=1000000 stay=4000000 {
    media video-ms=100 audio-ms=100 gop-min=5 gop-max=5 len-max=50 muxable=#true
}
publisher stream=1 start=500000 again=1000000 {
    media video-ms=200 audio-ms=0 gop-min=3 gop-max=3 len-max=50 muxable=#true
}
player again=1000000
player stream=1 start=1000000 again=1000000
viewer start=1000000 again=1000000
segments again=1000000
player again=1000000 server=1
player stream=1 again=1000000 server=2
peer
peer from=1
"#;

#[test]
fn any_one_operation_may_fail() {
    let rich = read(RICH).unwrap();
    let whole = run(&rich, Origin::FIRST, Detail::None);
    assert_eq!(whole.failure, None);
    let begun = Instant::now();
    let mut runs = 0;
    for ((operation, name), count) in OPERATIONS.into_iter().zip(whole.figures.operations) {
        assert!(count > 0, "the run has no {name}");
        let step = count.div_ceil(RUNS_MAX).max(1);
        for after in (0..count).step_by(usize::try_from(step).unwrap()) {
            let scenario = Scenario { failing: Some(Failing { operation, after }), ..rich.clone() };
            let outcome = run(&scenario, Origin::FIRST, Detail::None);
            assert_eq!(outcome.failure, None, "{}", write(&scenario));
            let failed = outcome.figures.operations[operation as usize];
            assert!(failed > after, "{name} {after} never came");
            runs += 1;
        }
    }
    eprintln!("{runs} runs with one failure each in {:?}: {:?}", begun.elapsed(), whole.figures);
}
