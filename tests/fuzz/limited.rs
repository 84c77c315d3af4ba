//! What a target does besides its body: it holds the body to memory that is linear in the input.

pub mod table;

use cap::Cap;
use std::alloc::System;
use std::panic;
use std::sync::Once;
use table::TARGETS;

/// The allocator of every target. A body that is over its limit gets no memory, which ends it.
#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// Runs the body called `name`.
///
/// # Panics
/// A promise is broken, or there is no such body.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.expect("the table has every target");
    let linear = data.len().saturating_mul(target.heap_per_byte).saturating_add(target.heap_len_min);
    LIFT.call_once(lift_limit_on_panic);
    HEAP.set_limit(HEAP.allocated().saturating_add(linear)).expect("there is room for less");
    (target.body)(data);
    HEAP.set_limit(usize::MAX).expect("there is room for all");
}

static LIFT: Once = Once::new();

/// The story of a panic takes more memory than a body may hold.
fn lift_limit_on_panic() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let _ = HEAP.set_limit(usize::MAX);
        tell(panic);
    }));
}
