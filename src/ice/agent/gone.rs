//! Ways that are no more: a socket whose address has gone, a connection that broke.
//!
//! What went by them goes on by a pair that stands by, if there is one; else a restart is asked for at
//! once, or as soon as pairs that nobody has tried yet have had their try (`doubt.rs`).

use std::net::SocketAddr;

use super::super::candidate::{PathId, TcpType};
use super::super::doubt::Why;
use super::Agent;

impl Agent {
    /// A socket of ours is no more, and with it all that was to be had by it.
    pub(super) fn on_path_gone(&mut self, path: PathId) {
        self.gatherer.forget(self.now, path);
        if !self.locals.forget_path(path) {
            return;
        }
        if let Some(before) = &mut self.before_restart {
            before.forget_path(path);
        }
        self.lose(|lost, _| lost == path);
    }

    /// A connection is no more, or was never made. One of ours may be made again, when its pair is
    /// checked again; who had connected to us comes back from another port.
    pub(super) fn on_stream_gone(&mut self, path: PathId, to: SocketAddr) {
        let base = self.locals.base_of(path, to.ip());
        let connects = base.is_some_and(|(_, it)| it.candidate.tcp_type == Some(TcpType::Active));
        match self.list.between(path, to) {
            Some(pair) if connects && pair.valid.is_none() => {
                let id = pair.id;
                self.checks.forget(|lost, lost_to| (lost, lost_to) == (path, to));
                self.fail(id);
            }
            _ => self.lose(|lost, lost_to| (lost, lost_to) == (path, to)),
        }
    }

    fn lose(&mut self, is_gone: impl Fn(PathId, SocketAddr) -> bool) {
        let in_use = self.in_use().filter(|pair| is_gone(pair.path, pair.to));
        let was_in_use = in_use.map(|pair| (pair.to, self.round_trips()));
        self.list.forget(&is_gone);
        self.checks.forget(&is_gone);
        if let Some(before) = &mut self.before_restart {
            before.forget(&is_gone);
        }
        self.early.retain(|early| !is_gone(early.checked.path, early.checked.from));
        if self.nominating.is_some_and(|pair| self.list.get(pair).is_none()) {
            self.nominating = None;
        }
        let route = self.consent.as_ref().map(|consent| consent.route);
        if route.is_some_and(|route| is_gone(route.path, route.to)) {
            self.set_consent(None);
        }
        if let Some((dead, took)) = was_in_use {
            match self.best_standby(dead) {
                Some(other) => {
                    self.move_to(other);
                    self.doubt(Why::Unanswered); // it was well some seconds ago: is it still?
                }
                None => self.doubt_that_took(Why::PathGone, took),
            }
        }
    }
}
