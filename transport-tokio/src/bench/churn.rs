//! Clients that come and go, all the time: what is left of each adds up, if anything is.

use super::publish::start;
use super::{Context, Plan, read_clip};
use crate::bench::tally::Tally;
use crate::client::{Client, ClientError, Target};
use crate::clip::Clip;
use crate::publisher::publish;
use millstream_conf::cli::BenchChurn;
use millstream_core::rng::Rng;
use millstream_core::session::Intent;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until, timeout_at};

/// One client of so many publishes; the others play what the last publishers publish.
const CLIENTS_PER_PUBLISHER: u32 = 5;

/// One client of so many never gets beyond its handshake.
const CLIENTS_PER_STRANGER: u32 = 17;

/// How many publishers back a player may look for its stream; the oldest have gone.
const STREAMS_BACK: u64 = 12;

/// Lets clients come and go until the time is over and the last has gone.
pub(super) fn run(args: &BenchChurn) -> Result<Tally, String> {
    let mut target = Target::parse(&args.url)?;
    if !target.has_number() {
        target.stream.push_str("-{n}");
    }
    let clip = Arc::new(read_clip(&args.file)?);
    let clients = u32::try_from(args.time.as_secs() * u64::from(args.rate));
    let clients = clients.map_err(|_| "too many clients".to_owned())?;
    // No client stays longer than twice the time, so no more are there at once.
    let at_once = f64::from(args.rate) * args.stay.as_secs_f64() * 2.0;
    let mut plan = Plan::new(target, at_once as u32, &args.load())?.starting_now();
    plan.clients = clients;
    let context = Rc::new(Context { plan, tally: RefCell::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    let tasks = LocalSet::new();
    let stay = args.stay;
    let all = context.clone();
    tasks.spawn_local(async move {
        for number in 0..clients {
            all.wait_for_turn(number).await;
            tokio::task::spawn_local(visit(all.clone(), number, stay, clip.clone()));
        }
    });
    runtime.block_on(tasks);
    Ok(context.tally.take())
}

/// One client: it comes, stays for a while, and goes one way or another.
async fn visit(context: Rc<Context>, number: u32, stay: Duration, clip: Arc<Clip>) {
    let mut rng = Rng::new(number.into());
    // From a fifth of the time to nearly twice of it.
    let until = Instant::now() + stay * (20 + (rng.next_u64() % 160) as u32) / 100;
    if number.is_multiple_of(CLIENTS_PER_STRANGER) {
        context.started(Duration::ZERO);
        // Whatever comes of it: the server has to forget it.
        let _ = timeout_at(until, begin_handshake(&context)).await;
        return;
    }
    let stream = number / CLIENTS_PER_PUBLISHER;
    let begin = Instant::now();
    if number.is_multiple_of(CLIENTS_PER_PUBLISHER) {
        let mut client = match start(&context.plan, stream).await {
            Ok(client) => client,
            Err(error) => return context.not_started(&error),
        };
        context.started(begin.elapsed());
        let ended = publish(&mut client, clip, None, Some(until), |_| {}).await;
        leave(&context, client, ended, &mut rng);
    } else {
        let back = u32::try_from(rng.next_u64() % STREAMS_BACK).unwrap_or(0);
        let target = context.plan.target.numbered(stream.saturating_sub(back));
        let (config, seed) = (context.plan.config.clone(), u64::from(number));
        let address = context.plan.address;
        let started = Client::start(address, &target, Intent::Play, config, seed, |_| {}).await;
        let mut client = match started {
            Ok(client) => client,
            Err(error) => return context.not_started(&error),
        };
        context.started(begin.elapsed());
        let ended = take(&mut client, until).await;
        leave(&context, client, ended, &mut rng);
    }
}

/// Every other client says good-bye; the others just close their socket, unread input and all.
fn leave(context: &Context, client: Client, ended: Result<(), ClientError>, rng: &mut Rng) {
    match ended {
        // A stream ends when its publisher goes; that is no failure here.
        Ok(()) | Err(ClientError::Ended(_) | ClientError::Closed) => {
            context.tally.borrow_mut().bytes += client.received();
            if rng.next_u64().is_multiple_of(2) {
                client.finish();
            }
        }
        Err(error) => context.lost(&error),
    }
}

async fn take(client: &mut Client, until: Instant) -> Result<(), ClientError> {
    loop {
        tokio::select! {
            ready = client.ready() => ready?,
            () = sleep_until(until) => return Ok(()),
        }
        client.receive(|_| {})?;
        client.flush()?;
    }
}

/// Sends the half of what it should, and waits.
async fn begin_handshake(context: &Context) -> std::io::Result<()> {
    let stream = TcpStream::connect(context.plan.address).await?;
    stream.writable().await?;
    stream.try_write(&[3; 700])?;
    std::future::pending().await
}
