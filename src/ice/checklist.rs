//! The check list: which pairs there are, and whose turn it is (RFC 8445 sections 6.1.2 and 6.1.4).
//!
//! Pairs are in order of priority. Triggered checks come first, in the order in which they were
//! asked for; then the best Waiting pair; and when none waits, frozen foundations that nothing is
//! under way for are woken. Connections are made when no pair by UDP waits: a call by a relay must not be
//! later because one by TCP could have been better. Pairs come late, too (RFC 8838 sections 10 to 12): they are pruned and put
//! in their place then. There is one list: one component of one bundled stream.
//!
//! Fed by `agent/remote.rs` and `agent/request.rs`, asked by `agent/advance.rs`. Read next:
//! `check.rs`.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::net::SocketAddr;

use super::candidate::{PathId, Transport};
use super::pair::{
    Foundation, LocalId, Pair, PairFigures, PairId, PairSignal, PairState, RemoteId, Valid,
};
use super::standby::Standby;
use crate::time::Instant;

/// Pairs that never worked and yet stand by.
const MAX_UNTRIED: usize = 16;

/// All pairs of the running session.
#[derive(Debug)]
pub(super) struct Checklist {
    /// The best first.
    pairs: Vec<Pair>,
    /// RFC 8445 section 6.1.4.1.
    triggered: VecDeque<PairId>,
    next_id: u32,
    max: usize,
    /// A pair is chosen: no check leaves by this list any more.
    concluded: bool,
}

/// What makes a pair.
#[derive(Clone, Debug)]
pub(super) struct NewPair {
    pub(super) local: LocalId,
    pub(super) remote: RemoteId,
    pub(super) path: PathId,
    pub(super) to: SocketAddr,
    pub(super) transport: Transport,
    pub(super) foundation: Foundation,
    pub(super) priority: u64,
}

/// Why a pair is put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Two candidates are known.
    Paired,
    /// The other side's check came in by it: it gets a place even if others must go.
    Checked,
}

impl Checklist {
    pub(super) fn new(max: usize) -> Self {
        Self {
            pairs: Vec::new(),
            triggered: VecDeque::new(),
            next_id: 0,
            max: max.max(1),
            concluded: false,
        }
    }

    /// The best first.
    pub(super) fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    pub(super) fn get(&self, id: PairId) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.id == id)
    }

    pub(super) fn get_mut(&mut self, id: PairId) -> Option<&mut Pair> {
        self.pairs.iter_mut().find(|pair| pair.id == id)
    }

    /// The pair between this socket and this address. There is at most one: pairs with the same base
    /// and remote address are redundant (RFC 8445 section 6.1.2.4).
    pub(super) fn between(&self, path: PathId, to: SocketAddr) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.path == path && pair.to == to)
    }

    /// Puts a pair in its place, unless the list is full of better ones.
    pub(super) fn insert(&mut self, new: NewPair, cause: Cause) -> Option<PairId> {
        let untried = |pair: &&Pair| pair.valid.is_none() && pair.state != PairState::Failed;
        let crowded = self.concluded
            && cause == Cause::Paired
            && self.pairs.iter().filter(untried).count() >= MAX_UNTRIED;
        if crowded || !self.make_room(new.priority, cause) {
            return None;
        }
        let id = PairId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let state = self.initial_state(&new);
        self.pairs.push(Pair {
            id,
            local: new.local,
            remote: new.remote,
            path: new.path,
            to: new.to,
            transport: new.transport,
            foundation: new.foundation,
            priority: new.priority,
            state,
            valid: None,
            nominated: false,
            nominate_when_valid: None,
            lost_consent: false,
            standby: Standby::default(),
            repeated: false,
            first_sent: None,
            figures: PairFigures::default(),
        });
        self.sort();
        Some(id)
    }

    /// Per foundation, the best pair waits for its check and the others for the best one
    /// (RFC 8445 section 6.1.2.6); all go when one of them has worked (RFC 8838 section 12).
    fn initial_state(&mut self, new: &NewPair) -> PairState {
        let same = || self.pairs.iter().filter(|pair| pair.foundation == new.foundation);
        if same().any(|pair| pair.state == PairState::Succeeded) {
            return PairState::Waiting;
        }
        if same().any(|pair| pair.priority >= new.priority && !pair.had_its_chance()) {
            return PairState::Frozen;
        }
        let until_now = same().find(|pair| pair.state == PairState::Waiting).map(|pair| pair.id);
        if let Some(lower) = until_now.filter(|lower| !self.triggered.contains(lower)) {
            self.signal(lower, PairSignal::Yield);
        }
        PairState::Waiting
    }

    /// At the limit a failed pair goes, else a lower one that wasn't checked yet (RFC 8838 section 11).
    fn make_room(&mut self, priority: u64, cause: Cause) -> bool {
        if self.pairs.len() < self.max {
            return true;
        }
        let last_in = |wanted: &[PairState]| {
            self.pairs.iter().rposition(|pair| {
                wanted.contains(&pair.state) && !self.triggered.contains(&pair.id)
            })
        };
        let victim = last_in(&[PairState::Failed]).or_else(|| {
            let unchecked = last_in(&[PairState::Frozen, PairState::Waiting])?;
            let is_lower = self.pairs.get(unchecked).is_some_and(|pair| pair.priority < priority);
            (is_lower || cause == Cause::Checked).then_some(unchecked)
        });
        let Some(victim) = victim else { return false };
        self.pairs.remove(victim);
        true
    }

    /// Moves a pair's state.
    pub(super) fn signal(&mut self, id: PairId, signal: PairSignal) {
        if let Some(pair) = self.get_mut(id) {
            pair.on(signal);
        }
    }

    /// The other side checks this pair: ours goes to the front, unless it is through already
    /// (RFC 8445 section 7.3.1.4).
    pub(super) fn trigger(&mut self, id: PairId) {
        self.signal(id, PairSignal::Trigger);
        let waits = self.get(id).is_some_and(|pair| pair.state == PairState::Waiting);
        if waits && !self.triggered.contains(&id) {
            self.triggered.push_back(id);
        }
    }

    /// Whether [`Self::next`] has something.
    pub(super) fn has_next(&self) -> bool {
        !self.concluded
            && (!self.triggered.is_empty()
                || self.pairs.iter().any(|pair| match pair.state {
                    PairState::Waiting => true,
                    PairState::Frozen => !self.is_under_way(&pair.foundation),
                    _ => false,
                }))
    }

    /// The pair whose check is to leave now (RFC 8445 section 6.1.4.2); it is InProgress from here.
    pub(super) fn next(&mut self) -> Option<PairId> {
        if self.concluded {
            return None;
        }
        let id = self.next_triggered().or_else(|| {
            if self.first_waiting(Transport::Udp).is_none() {
                self.wake_foundations();
            }
            self.first_waiting(Transport::Udp).or_else(|| self.first_waiting(Transport::Tcp))
        })?;
        self.signal(id, PairSignal::Send);
        if let Some(pair) = self.get_mut(id) {
            pair.repeated = false;
        }
        Some(id)
    }

    /// A check by this way had to be repeated.
    pub(super) fn repeated(&mut self, path: PathId, to: SocketAddr) {
        let of_way = |pair: &&mut Pair| (pair.path, pair.to) == (path, to);
        self.pairs.iter_mut().filter(of_way).for_each(|pair| pair.repeated = true);
    }

    fn first_waiting(&self, transport: Transport) -> Option<PairId> {
        let mut waiting = self.in_state(PairState::Waiting);
        waiting.find(|pair| pair.transport == transport).map(|pair| pair.id)
    }

    fn next_triggered(&mut self) -> Option<PairId> {
        while let Some(id) = self.triggered.pop_front() {
            // It may have been answered by an earlier check meanwhile, or be gone.
            if self.get(id).is_some_and(|pair| pair.state == PairState::Waiting) {
                return Some(id);
            }
        }
        None
    }

    fn is_under_way(&self, foundation: &Foundation) -> bool {
        let on_its_way = [PairState::Waiting, PairState::InProgress];
        self.pairs.iter().any(|pair| {
            let is_on_its_way = on_its_way.contains(&pair.state) && !pair.had_its_chance();
            is_on_its_way && pair.foundation == *foundation
        })
    }

    fn wake_foundations(&mut self) {
        let frozen: Vec<PairId> = self.in_state(PairState::Frozen).map(|pair| pair.id).collect();
        for id in frozen {
            let sleeps = self.get(id).is_some_and(|pair| !self.is_under_way(&pair.foundation));
            if sleeps {
                self.signal(id, PairSignal::Unfreeze);
            }
        }
    }

    fn in_state(&self, state: PairState) -> impl Iterator<Item = &Pair> {
        self.pairs.iter().filter(move |pair| pair.state == state)
    }

    /// A pair worked: those like it need not wait (RFC 8445 section 7.2.5.3.3).
    pub(super) fn unfreeze_like(&mut self, id: PairId) {
        let Some(foundation) = self.get(id).map(|pair| pair.foundation.clone()) else { return };
        for pair in self.pairs.iter_mut().filter(|pair| pair.foundation == foundation) {
            pair.on(PairSignal::Unfreeze);
        }
    }

    /// The valid pair with the highest priority.
    pub(super) fn best_valid(&self) -> Option<(&Pair, Valid)> {
        self.valid().max_by_key(|(_, valid)| valid.priority)
    }

    /// All valid pairs.
    pub(super) fn valid(&self) -> impl Iterator<Item = (&Pair, Valid)> {
        self.pairs.iter().filter_map(|pair| pair.valid.map(|valid| (pair, valid)))
    }

    /// Pairs that still wait or run: each counts into the RTO (RFC 8445 section 14.3), if its checks are
    /// repeated.
    pub(super) fn waiting_and_in_progress(&self) -> usize {
        let states = [PairState::Waiting, PairState::InProgress];
        let pairs = states.into_iter().flat_map(|state| self.in_state(state));
        pairs.filter(|pair| pair.transport == Transport::Udp).count()
    }

    /// Whether every pair is through, this way or that.
    pub(super) fn is_exhausted(&self) -> bool {
        let through = [PairState::Succeeded, PairState::Failed];
        self.pairs.iter().all(|pair| through.contains(&pair.state))
    }

    /// Checks all failed pairs once more: the other side may have come by now.
    pub(super) fn begin_anew(&mut self) {
        for pair in &mut self.pairs {
            if pair.state == PairState::Failed {
                pair.on(PairSignal::Trigger);
            }
        }
    }

    /// A pair is chosen: no check leaves in its turn any more (RFC 8445 section 8.1.2). What is kept
    /// stands by in case the chosen one dies (`standby.rs`): pairs that work, and the best of those
    /// whose turn had not come. For a pair by TCP that would be a connection made in vain.
    pub(super) fn conclude(&mut self) {
        self.triggered.clear();
        self.concluded = true;
        let mut untried = 0;
        self.pairs.retain_mut(|pair| {
            pair.on(PairSignal::Yield);
            untried += usize::from(matches!(pair.state, PairState::Frozen | PairState::InProgress));
            match pair.state {
                PairState::Succeeded => true,
                PairState::Failed => false,
                _ if pair.transport == Transport::Tcp => false,
                _ => untried <= MAX_UNTRIED,
            }
        });
    }

    /// Gives all pairs away: a new session. Their names stay used.
    pub(super) fn restart(&mut self) -> Self {
        let (pairs, triggered) =
            (std::mem::take(&mut self.pairs), std::mem::take(&mut self.triggered));
        let concluded = std::mem::take(&mut self.concluded);
        Self { pairs, triggered, concluded, ..*self }
    }

    /// Forgets pairs whose way is no more.
    pub(super) fn forget(&mut self, is_gone: impl Fn(PathId, SocketAddr) -> bool) {
        self.pairs.retain(|pair| !is_gone(pair.path, pair.to));
        let pairs = &self.pairs;
        self.triggered.retain(|id| pairs.iter().any(|pair| pair.id == *id));
    }

    /// All of them, to be changed.
    pub(super) fn pairs_mut(&mut self) -> impl Iterator<Item = &mut Pair> {
        self.pairs.iter_mut()
    }

    /// Gives every pair the priority that `of` says, and sorts anew: after a change of roles, or when
    /// a candidate turned out to be another kind.
    pub(super) fn reprioritize(&mut self, of: impl Fn(LocalId, RemoteId) -> Option<u64>) {
        for pair in &mut self.pairs {
            if let Some(priority) = of(pair.local, pair.remote) {
                pair.priority = priority;
            }
            if let Some(valid) = &mut pair.valid
                && let Some(priority) = of(valid.local, pair.remote)
            {
                valid.priority = priority;
            }
        }
        self.sort();
    }

    /// The remote candidate's real foundation is known now.
    pub(super) fn rename_foundation(&mut self, remote: RemoteId, foundation: &Foundation) {
        for pair in self.pairs.iter_mut().filter(|pair| pair.remote == remote) {
            pair.foundation.remote.clone_from(&foundation.remote);
            pair.foundation.remote_base = foundation.remote_base;
        }
    }

    /// By priority; among equals by address, not by arrival, so that the order in which candidates
    /// trickle in decides nothing.
    fn sort(&mut self) {
        self.pairs.sort_by_key(|pair| (Reverse(pair.priority), pair.to, pair.path));
    }
}

/// Consent lasts from the answer: a pair may carry media until then (RFC 7675 section 5.1).
pub(super) fn has_consent(valid: Valid, now: Instant) -> bool {
    now - valid.answered < super::consent::EXPIRY
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn new_pair(port: u16, priority: u64, foundation: &str) -> NewPair {
        let to = SocketAddr::new(IpAddr::from([192, 0, 2, 1]), port);
        let foundation = Foundation {
            local: "1".into(),
            remote: foundation.into(),
            remote_base: IpAddr::from([192, 0, 2, 1]),
        };
        let (local, remote) = (LocalId(0), RemoteId(usize::from(port)));
        let (path, transport) = (PathId(0), Transport::Udp);
        NewPair { local, remote, path, to, transport, foundation, priority }
    }

    fn state(list: &Checklist, id: PairId) -> PairState {
        list.get(id).unwrap().state
    }

    fn paired(list: &mut Checklist, port: u16, priority: u64, foundation: &str) -> PairId {
        list.insert(new_pair(port, priority, foundation), Cause::Paired).unwrap()
    }

    #[test]
    fn pairs_by_tcp_are_checked_when_none_by_udp_waits() {
        let mut list = Checklist::new(100);
        let by_tcp = NewPair { transport: Transport::Tcp, ..new_pair(1, 900, "a") };
        let by_tcp = list.insert(by_tcp, Cause::Paired);
        let relayed = [(2, 100, "b"), (3, 90, "c")].map(|(port, priority, like)| {
            list.insert(new_pair(port, priority, like), Cause::Paired)
        });
        assert_eq!([(); 3].map(|()| list.next()), [relayed[0], relayed[1], by_tcp]);
    }

    #[test]
    fn per_foundation_the_best_pair_waits_and_the_others_are_frozen() {
        // rfc8445-6.1.2.6-1, whatever the order in which they come
        for order in [[30, 20, 10], [10, 20, 30], [20, 30, 10]] {
            let mut list = Checklist::new(100);
            for priority in order {
                paired(&mut list, u16::try_from(priority).unwrap(), priority, "f");
            }
            paired(&mut list, 5, 5, "g");
            let states: Vec<_> = list.pairs().iter().map(|pair| pair.state).collect();
            use PairState::{Frozen, Waiting};
            assert_eq!(states, [Waiting, Frozen, Frozen, Waiting], "{order:?}");
        }
    }

    #[test]
    fn a_late_pair_waits_only_if_it_leads_its_foundation_or_that_has_worked() {
        // rfc8838-11-1, by the rules of section 12
        let mut list = Checklist::new(100);
        let first = paired(&mut list, 1, 20, "f");
        list.next();
        let lower = paired(&mut list, 2, 10, "f");
        assert_eq!(state(&list, lower), PairState::Frozen);
        let higher = paired(&mut list, 3, 30, "f");
        assert_eq!(state(&list, higher), PairState::Waiting);
        list.signal(first, PairSignal::Answer);
        let after = paired(&mut list, 4, 5, "f");
        assert_eq!(state(&list, after), PairState::Waiting);
    }

    #[test]
    fn checks_go_in_order_of_priority_with_triggered_ones_in_front() {
        // rfc8445-6.1.4.1-1
        let mut list = Checklist::new(100);
        let low = paired(&mut list, 1, 10, "a");
        let high = paired(&mut list, 2, 30, "b");
        let middle = paired(&mut list, 3, 20, "c");
        list.trigger(low);
        assert_eq!(
            [list.next(), list.next(), list.next(), list.next()],
            [Some(low), Some(high), Some(middle), None]
        );
        assert!(!list.has_next());
    }

    #[test]
    fn a_success_unfreezes_its_foundation_and_a_failure_lets_the_next_try() {
        // rfc8445-7.2.5.3.3-1, rfc8445-6.1.4.2
        let mut list = Checklist::new(100);
        let first = paired(&mut list, 1, 30, "f");
        let second = paired(&mut list, 2, 20, "f");
        let third = paired(&mut list, 3, 10, "f");
        assert_eq!(list.next(), Some(first));
        assert_eq!(list.next(), None, "the foundation is being tried");
        list.signal(first, PairSignal::Fail);
        assert!(list.has_next());
        assert_eq!(list.next(), Some(second));
        list.signal(second, PairSignal::Answer);
        list.unfreeze_like(second);
        assert_eq!(state(&list, third), PairState::Waiting);
    }

    #[test]
    fn the_list_is_limited_and_the_worst_unchecked_pair_goes() {
        // rfc8445-6.1.2.5-1
        let mut list = Checklist::new(2);
        let best = paired(&mut list, 1, 30, "a");
        let worst = paired(&mut list, 2, 10, "b");
        assert_eq!(list.insert(new_pair(3, 5, "c"), Cause::Paired), None, "worse than all");
        paired(&mut list, 4, 20, "d");
        assert!(list.get(worst).is_none() && list.get(best).is_some());
        assert!(list.insert(new_pair(5, 1, "e"), Cause::Checked).is_some(), "it was checked");
        assert_eq!(list.pairs().len(), 2);
    }

    #[test]
    fn a_triggered_pair_that_was_answered_meanwhile_is_not_checked_again() {
        let mut list = Checklist::new(100);
        let pair = paired(&mut list, 1, 30, "a");
        list.next();
        list.trigger(pair);
        list.trigger(pair);
        list.signal(pair, PairSignal::Answer);
        assert_eq!(list.next(), None);
    }

    #[test]
    fn equal_priorities_are_ordered_by_address_and_not_by_arrival() {
        let order = |ports: [u16; 3]| {
            let mut list = Checklist::new(100);
            for port in ports {
                paired(&mut list, port, 7, &port.to_string());
            }
            list.pairs().iter().map(|pair| pair.to.port()).collect::<Vec<_>>()
        };
        assert_eq!(order([1, 2, 3]), order([3, 1, 2]));
    }
}
