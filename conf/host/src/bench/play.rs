//! One player, and what it sees.

use super::tally::Tally;
use super::view::{View, follow};
use super::{Context, bit_rate};
use crate::client::Client;
use crate::runtime::Runtime;
use millstream_core::session::{Intent, SessionEvent};
use std::rc::Rc;
use std::time::Instant;

/// Plays from its turn to the end.
pub(super) async fn play<R: Runtime>(context: Rc<Context>, number: u32) {
    context.wait_for_turn::<R>(number).await;
    let begin = Instant::now();
    let mut view = View::default();
    let plan = &context.plan;
    let target = plan.target.numbered(number);
    let begun = |event: &SessionEvent| take(&mut view, event, &mut context.tally.borrow_mut());
    let (config, seed) = (plan.config.clone(), u64::from(number));
    let start = Client::<R>::start(plan.address, &target, Intent::Play, config, seed, begun).await;
    let mut client = match start {
        Ok(client) => client,
        Err(error) => return context.not_started(&error),
    };
    let started = view.started().unwrap_or(begin);
    context.started(started - begin);
    let outcome = follow::<R>(&context, |cx, tally| {
        let polled = client.poll(cx, &mut |event| take(&mut view, event, tally));
        polled.map_ok(|()| client.received())
    });
    let outcome = outcome.await;
    let now = Instant::now();
    {
        let mut tally = context.tally.borrow_mut();
        view.finish(now, &mut tally);
        tally.bits_per_second.record(bit_rate(client.received(), now - started));
        tally.bytes += client.received();
    }
    match outcome {
        Ok(()) => client.finish(),
        Err(error) => context.lost(&error),
    }
}

fn take(view: &mut View, event: &SessionEvent, tally: &mut Tally) {
    if let SessionEvent::Started { .. } = event {
        view.begin();
    } else if let SessionEvent::Media { frame, .. } = event {
        view.take_frame(frame, tally);
    }
}
