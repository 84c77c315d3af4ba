//! Clients that come and go, all the time: what is left of each adds up, if anything is.

use super::publish::start;
use super::{Context, Plan, read_clip};
use crate::bench::tally::Tally;
use crate::client::{Client, ClientError, Target};
use crate::clip::Clip;
use crate::publisher::publish;
use crate::runtime::{Runtime, Stream as _, Timer as _, sleep_until};
use millstream_conf::cli::BenchChurn;
use millstream_core::rng::Rng;
use millstream_core::session::Intent;
use std::future::poll_fn;
use std::io::IoSlice;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// One client of so many publishes; the others play what the last publishers publish.
const CLIENTS_PER_PUBLISHER: u32 = 5;

/// One client of so many never gets beyond its handshake.
const CLIENTS_PER_STRANGER: u32 = 17;

/// How many publishers back a player may look for its stream; the oldest have gone.
const STREAMS_BACK: u64 = 12;

/// Lets clients come and go until the time is over and the last has gone.
pub(super) fn run<R: Runtime>(args: &BenchChurn) -> Result<Tally, String> {
    let mut target = Target::parse(&args.url)?;
    if !target.has_number() {
        target.stream.push_str("-{number}");
    }
    let clip = Arc::new(read_clip(&args.file)?);
    let clients = u32::try_from(args.time.as_secs() * u64::from(args.rate));
    let clients = clients.map_err(|_| "too many clients".to_owned())?;
    // No client stays longer than twice the time, so no more are there at once.
    let at_once = f64::from(args.rate) * args.stay.as_secs_f64() * 2.0;
    let mut plan = Plan::new(target, at_once as u32, &args.load())?.starting_now();
    plan.clients = clients;
    let stay = args.stay;
    Ok(plan
        .run::<R, _>("clients", |context, number| visit::<R>(context, number, stay, clip.clone())))
}

/// One client: it comes, stays for a while, and goes one way or another.
async fn visit<R: Runtime>(context: Rc<Context>, number: u32, stay: Duration, clip: Arc<Clip>) {
    context.wait_for_turn::<R>(number).await;
    let mut rng = Rng::new(number.into());
    // From a fifth of the time to nearly twice of it.
    let until = Instant::now() + stay * (20 + (rng.next_u64() % 160) as u32) / 100;
    if number.is_multiple_of(CLIENTS_PER_STRANGER) {
        context.started(Duration::ZERO);
        // Whatever comes of it: the server has to forget it.
        let _ = begin_handshake::<R>(&context, until).await;
        return;
    }
    let stream = number / CLIENTS_PER_PUBLISHER;
    let begin = Instant::now();
    if number.is_multiple_of(CLIENTS_PER_PUBLISHER) {
        let mut client = match start::<R>(&context.plan, stream).await {
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
        let started =
            Client::<R>::start(address, &target, Intent::Play, config, seed, |_| {}).await;
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
fn leave<R: Runtime>(
    context: &Context,
    client: Client<R>,
    ended: Result<(), ClientError>,
    rng: &mut Rng,
) {
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

async fn take<R: Runtime>(client: &mut Client<R>, until: Instant) -> Result<(), ClientError> {
    let mut end = R::Timer::new();
    end.set(until);
    poll_fn(|cx| {
        while let Poll::Ready(outcome) = client.poll(cx, &mut |_| {}) {
            outcome?;
        }
        end.poll(cx).map(Ok)
    })
    .await
}

/// Sends the half of what it should, and waits.
async fn begin_handshake<R: Runtime>(context: &Context, until: Instant) -> std::io::Result<()> {
    let address = context.plan.address;
    let mut stream = R::connect(address).await?;
    poll_fn(|cx| stream.poll_write(cx, &[IoSlice::new(&[3; 700])])).await?;
    sleep_until::<R>(until).await;
    Ok(())
}
