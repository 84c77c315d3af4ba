//! Publishers under test, and the one publisher that feeds players under test.

use super::mark::Marker;
use super::{Context, Plan, bit_rate};
use crate::client::{Client, ClientError};
use crate::clip::Clip;
use crate::publisher::publish;
use crate::runtime::Runtime;
use crate::stop::Stop;
use millstream_core::session::Intent;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;

/// Publishes from its turn to the end.
pub(super) async fn publish_one<R: Runtime>(context: Rc<Context>, number: u32, clip: Arc<Clip>) {
    context.wait_for_turn::<R>(number).await;
    let begin = Instant::now();
    let mut client = match start::<R>(&context.plan, number).await {
        Ok(client) => client,
        Err(error) => return context.not_started(&error),
    };
    let started = Instant::now();
    context.started(started - begin);
    let mut bytes = 0;
    let live = &context.plan.live;
    let told = |sent: u64| {
        bytes += sent;
        live.bytes.fetch_add(sent, Ordering::Relaxed);
    };
    let until = Some(context.plan.end());
    let outcome = publish(&mut client, clip, Some(Marker::default()), until, told).await;
    {
        let mut tally = context.tally.borrow_mut();
        tally.bits_per_second.record(bit_rate(bytes, started.elapsed()));
        tally.bytes += bytes;
    }
    match outcome {
        Ok(()) => client.finish(),
        Err(error) => context.lost(&error),
    }
}

pub(super) async fn start<R: Runtime>(plan: &Plan, number: u32) -> Result<Client<R>, ClientError> {
    let target = plan.target.numbered(number);
    let (config, seed) = (plan.config.clone(), u64::from(number));
    Client::start(plan.address, &target, Intent::Publish, config, seed, |_| {}).await
}

/// A publisher on a thread of its own.
#[derive(Debug)]
pub(super) struct Feed {
    stop: Stop,
    thread: JoinHandle<Result<(), ClientError>>,
}

impl Feed {
    /// Returns once the stream is published.
    pub(super) fn start<R: Runtime>(plan: &Plan, clip: Arc<Clip>) -> Result<Self, String> {
        let stop = Stop::default();
        let stopped = stop.clone();
        let (ready_sender, ready) = mpsc::channel();
        let plan = plan.clone();
        let thread =
            std::thread::spawn(move || R::block_on(feed::<R>(&plan, clip, ready_sender, stopped))?);
        if ready.recv().is_ok() {
            return Ok(Self { stop, thread });
        }
        match thread.join() {
            Ok(Err(error)) => Err(format!("--publish: {error}")),
            Ok(Ok(())) | Err(_) => Err("--publish: the publisher ended at once".to_owned()),
        }
    }

    /// Ends the stream; fails when it had ended before.
    pub(super) fn stop(self) -> Result<(), String> {
        self.stop.request();
        match self.thread.join() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("--publish: {error}")),
            Err(_) => Err("--publish: the publisher ended by a bug of its own".to_owned()),
        }
    }
}

async fn feed<R: Runtime>(
    plan: &Plan,
    clip: Arc<Clip>,
    ready: mpsc::Sender<()>,
    stopped: Stop,
) -> Result<(), ClientError> {
    let mut client = start::<R>(plan, 0).await?;
    let _ = ready.send(());
    let publishing = publish(&mut client, clip, Some(Marker::default()), None, |_| {});
    stopped.or(publishing).await.transpose()?;
    client.finish();
    Ok(())
}
