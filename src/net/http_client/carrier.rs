//! Carries the signalling of a call that we placed, while it runs.
//!
//! ```text
//! Event::Offer of ours --> PATCH --200--> our driver takes the answer
//!                                --409--> theirs came first: ours is rolled back, and due again
//!                                --4xx, 5xx, nothing--> ours is given up, the call goes on
//! `offer` of theirs ----> our driver answers --> PATCH --204
//! `candidate`, `ended` -> our driver
//! candidates of ours ----> PATCH, as far as the offer did not hold them
//! ```
//! One exchange at a time, as `peer/negotiate.rs` asks of the side that called: an offer of theirs waits
//! until the fate of ours is known. Whether the other side has taken a request whose answer got lost is
//! anybody's guess: so it is sent up to three times (halloo takes it once), each time by a new connection, since
//! the network may be another one by then; and if nothing comes back, ICE begins anew when the network is there
//! again, which brings both sides to the same session.
//!
//! Comes from `cli::call` with the answer of the POST. Read next: `carrier/patch.rs`, `trickle.rs`, `events.rs`.

mod patch;

use std::time::Duration;

use hyper::{StatusCode, Uri};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use super::trickle::Trickle;
use super::{Client, Session};
use crate::net::driver::{CallId, Handle, Refusal, TimedEvent};
use crate::peer::event::{Change, Event, GatheringState, IceState, Side, Step};
use crate::sdp::{Description, Fragment};
use crate::signal::events::stream::Told;
use crate::signal::whip::{Exchange, SDP, SDPFRAG};
use patch::Reply;

/// One call's signalling.
#[derive(Debug)]
pub struct Carrier {
    client: Client,
    url: Uri,
    calls: Handle,
    id: CallId,
    /// An offer of theirs that waits for the fate of ours.
    waiting: Option<Box<Description>>,
    /// When to try again, and what.
    again: Option<(Instant, Again)>,
    crossed: usize,
    restarts: usize,
    /// When we last tried to come into one session again.
    restarted: Option<Instant>,
    trickle: Trickle,
    /// How the other side says that it ended, and where it failed, if it did.
    ended: Option<(String, Option<Step>)>,
}

/// What is to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// Our offer, after one that crossed it.
    Offer,
    /// A common ICE session, after an exchange whose fate is not known.
    Restart,
    /// They say that it is over, and have not said so by media.
    End,
}

impl Carrier {
    /// For a call that the endpoint has answered; none if the endpoint gave it no URL.
    #[must_use]
    pub fn new(
        client: &Client,
        session: &Session,
        calls: &Handle,
        (id, offer): (CallId, &Description),
    ) -> Option<Self> {
        let url = session.url.clone()?;
        let trickle = Trickle::new(offer, session.etag.clone());
        let (client, calls) = (client.clone(), calls.clone());
        let (crossed, restarts) = (0, 0);
        Some(Self {
            client,
            url,
            calls,
            id,
            waiting: None,
            again: None,
            crossed,
            restarts,
            restarted: None,
            trickle,
            ended: None,
        })
    }

    /// Carries until the call has ended; says which reason the other side gave for that, if it did.
    pub async fn run(mut self) -> Option<String> {
        let Ok((story, mut ours, _reader)) = self.calls.follow(self.id).await else { return None };
        let (to, mut theirs) = mpsc::channel(QUEUE);
        let reading = tokio::spawn(self.client.clone().follow(self.url.clone(), to));
        for timed in story {
            self.happened(timed.event).await;
        }
        while self.step(&mut ours, &mut theirs).await == Goes::On {}
        // A reason that comes together with the end is still read.
        if self.ended.is_none()
            && let Ok(Some(Told::Ended { reason, failed })) =
                timeout(REASON_WITHIN, last(&mut theirs)).await
        {
            self.ended = Some((reason, failed));
        }
        reading.abort();
        self.ended.map(|(reason, _)| reason)
    }

    async fn step(
        &mut self,
        ours: &mut broadcast::Receiver<(CallId, TimedEvent)>,
        theirs: &mut mpsc::Receiver<Told>,
    ) -> Goes {
        let again = self.again;
        tokio::select! {
            biased; // an offer of ours goes first: the other side knows whose came first
            happened = ours.recv() => match happened {
                Ok((call, timed)) if call == self.id => {
                    let is_last = matches!(timed.event, Event::Ended { .. });
                    self.happened(timed.event).await;
                    return if is_last { Goes::NoFurther } else { Goes::On };
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Goes::NoFurther,
            },
            Some(told) = theirs.recv(), if self.waiting.is_none() => self.told(told).await,
            what = due(again) => {
                self.again = None;
                self.try_again(what).await;
            }
        }
        Goes::On
    }

    /// Something of ours.
    async fn happened(&mut self, event: Event) {
        match event {
            Event::Offer { sdp, change } => {
                self.offer(&sdp, change).await;
                if let Some(waiting) = self.waiting.take() {
                    self.answer(waiting).await;
                }
            }
            Event::Candidate { side: Side::Local, candidate } => {
                self.trickle.candidate(&candidate);
                self.tell_candidates().await;
            }
            Event::Gathering { state: GatheringState::Complete } => {
                self.trickle.end();
                self.tell_candidates().await;
            }
            // The way is blocked: there may be another one, or another network.
            Event::Ice { state: IceState::Disconnected } => self.come_together(),
            _ => {}
        }
    }

    async fn offer(&mut self, sdp: &str, change: Change) {
        let reply = match (change, sdp.parse::<Description>()) {
            (Change::IceRestart, Ok(offer)) => {
                self.restarted = Some(Instant::now());
                self.again = self.again.filter(|(_, what)| *what != Again::Restart); // this is it
                let fragment = Fragment::of(&offer).to_string();
                self.patch(SDPFRAG, "*", &fragment).await
            }
            _ => self.patch(SDP, "", sdp).await,
        };
        let failure = match reply {
            Reply::Success(body, etag) => match self.taken(change, &body).await {
                Ok(()) => {
                    (self.crossed, self.restarts) = (0, 0);
                    return self.described(sdp, etag).await;
                }
                Err(why) => format!("the answer to our new offer is of no use: {why}"),
            },
            Reply::Refused(StatusCode::CONFLICT, _) if self.crossed < AGAIN_AFTER.len() => {
                return self.give_way().await;
            }
            Reply::Refused(_, failure) => format!("our new offer was refused: {failure}"),
            Reply::Nothing(failure) => {
                self.come_together();
                format!("our new offer did not arrive: {failure}")
            }
        };
        let why = format!("{failure}; the call goes on");
        let _ended = self.calls.abandon_offer(self.id, why).await;
    }

    /// A new description of ours holds: from here on candidates are of its session.
    async fn described(&mut self, ours: &str, etag: Option<String>) {
        if let Ok(ours) = ours.parse() {
            self.trickle.described(&ours);
        }
        self.trickle.renamed(etag);
        self.tell_candidates().await;
    }

    async fn tell_candidates(&mut self) {
        let Some((fragment, session)) = self.trickle.next() else { return };
        if let Reply::Refused(_, failure) = self.patch(SDPFRAG, &session, &fragment).await {
            tracing::debug!("candidates of ours: {failure}");
            self.trickle.stop();
        }
    }

    /// They answered our offer.
    async fn taken(&mut self, change: Change, body: &str) -> Result<(), String> {
        let refused = |refusal: Refusal| refusal.to_string();
        match change {
            Change::IceRestart => {
                let fragment: Fragment =
                    body.parse().map_err(|error| format!("the fragment: {error}"))?;
                self.calls.accept_restart(self.id, fragment).await.map_err(refused)
            }
            Change::Direction => {
                let answer: Description = body.parse().map_err(|error| format!("{error}"))?;
                self.calls.accept_answer(self.id, answer).await.map_err(refused)
            }
        }
    }

    /// Theirs came first. It is on its way to us; ours is due again when it has been answered.
    async fn give_way(&mut self) {
        let _ended = self.calls.give_way(self.id).await;
        let Some(wait) = AGAIN_AFTER.get(self.crossed) else { return };
        self.crossed += 1;
        self.wish(Instant::now() + *wait, Again::Offer);
    }

    /// Something of theirs.
    async fn told(&mut self, told: Told) {
        let done = match told {
            Told::Offer(offer) => return self.answer(offer).await,
            Told::Candidate(candidate) => self.calls.add_candidate(self.id, Some(candidate)).await,
            Told::EndOfCandidates => self.calls.add_candidate(self.id, None).await,
            Told::Ended { reason, failed } => {
                self.ended = Some((reason, failed));
                self.wish(Instant::now() + GOODBYE_WITHIN, Again::End);
                return;
            }
        };
        if let Err(refusal) = done {
            tracing::debug!("a candidate that came alone: {refusal}");
        }
    }

    async fn answer(&mut self, offer: Box<Description>) {
        let answered = self.calls.exchange(self.id, (*offer).clone(), Exchange::Offer).await;
        let answer = match answered {
            Ok(exchanged) => exchanged.answer,
            // Ours was made in this very moment; it goes first.
            Err(Refusal::WrongState { .. }) => {
                self.waiting = Some(offer);
                return;
            }
            Err(refusal) => {
                let text = format!("an offer of the other side was not taken: {refusal}");
                return self.calls.warn(self.id, text);
            }
        };
        let Some(answer) = answer.map(|answer| answer.to_string()) else { return };
        match self.patch(SDP, "", &answer).await {
            Reply::Success(_, etag) => self.described(&answer, etag).await,
            Reply::Refused(_, failure) | Reply::Nothing(failure) => {
                // They go on as before, and we don't.
                self.come_together();
                self.calls.warn(self.id, format!("our answer did not arrive: {failure}"));
            }
        }
    }

    /// Both sides may be in different ICE sessions now, or their way is blocked: a new session, at once, but
    /// not more often than every few seconds.
    fn come_together(&mut self) {
        if self.restarts == MOST_RESTARTS || matches!(self.again, Some((_, Again::Restart))) {
            return;
        }
        self.restarts += 1;
        let now = Instant::now();
        let at = self.restarted.map_or(now, |restarted| now.max(restarted + BETWEEN_RESTARTS));
        self.wish(at, Again::Restart);
    }

    /// This in place of what was due, unless that is the end they have told: nothing comes after it.
    fn wish(&mut self, at: Instant, what: Again) {
        if self.ended.is_none() || what == Again::End {
            self.again = Some((at, what));
        }
    }

    async fn try_again(&mut self, what: Again) {
        let _ended = match what {
            Again::Offer => self.calls.offer_again(self.id).await.map(drop),
            Again::Restart => self.calls.restart_ice(self.id).await.map(drop),
            Again::End => match &self.ended {
                Some((reason, Some(step))) => {
                    let reason = format!("the other side says: {reason}");
                    self.calls.fail(self.id, *step, reason).await
                }
                _ => self.calls.hang_up(self.id, Side::Remote).await,
            },
        };
    }
}

/// Whether the call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    On,
    NoFurther,
}

async fn due(again: Option<(Instant, Again)>) -> Again {
    match again {
        Some((at, what)) => {
            sleep_until(at).await;
            what
        }
        None => std::future::pending().await,
    }
}

/// The last that they tell.
async fn last(theirs: &mut mpsc::Receiver<Told>) -> Option<Told> {
    loop {
        if let ended @ Told::Ended { .. } = theirs.recv().await? {
            return Some(ended);
        }
    }
}

/// Events of theirs that may wait.
const QUEUE: usize = 64;
/// After a 409. By the last one, their own offer is answered or given up.
const AGAIN_AFTER: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(20),
];
const BETWEEN_RESTARTS: Duration = Duration::from_secs(5);
/// How often a common session is looked for, without an exchange that works in between.
const MOST_RESTARTS: usize = 5;
/// Media's own goodbye comes first, if it comes.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);
const REASON_WITHIN: Duration = Duration::from_millis(300);
