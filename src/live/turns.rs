//! Turns for readings that several requesters share: the first to ask for a link may wait behind many, so each that
//! wants it lends the reading a turn.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::gate::{Gate, Place, Requester, Ticket};

/// Longest name of a namespace or a service account (Kubernetes, "Object Names and IDs").
pub(super) const MAX_NAME_BYTES: usize = 253;
/// Requesters that lend a turn to one reading.
const MAX_REQUESTERS: usize = 8;

/// Places for readings by key.
#[derive(Debug)]
pub(super) struct Turns<K> {
    gate: Arc<Gate>,
    wanted: Arc<Mutex<HashMap<K, Wanted>>>,
    most: usize,
    patience: Duration,
}

/// Who waits for a reading, and its ticket once it stands in line.
#[derive(Debug)]
struct Wanted {
    since: Instant,
    requesters: Vec<Requester>,
    ticket: Weak<Ticket>,
}

impl<K: Eq + Hash + Clone + Send + 'static> Turns<K> {
    /// So many places; at most about `most` keys are remembered, those without a request for `patience` are forgotten.
    pub(super) fn new(places: usize, most: usize, patience: Duration) -> Self {
        Self { gate: Gate::new(places), wanted: Arc::default(), most, patience }
    }

    /// Lends the reading of a key a turn of this requester, before it is joined or started. `false`: too many wait for the
    /// requester already.
    pub(super) fn want(&self, key: &K, requester: &Requester) -> bool {
        // No name that Kubernetes accepts is longer: what a client makes up must not be kept.
        if requester.namespace.len() > MAX_NAME_BYTES || !self.gate.has_room(requester) {
            return false;
        }
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted.len() >= self.most {
            let waits = |wanted: &Wanted| wanted.ticket.upgrade().is_some_and(|ticket| ticket.waits());
            wanted.retain(|_, wanted| {
                waits(wanted) || (!wanted.requesters.is_empty() && wanted.since.elapsed() < self.patience)
            });
            // It waits in the line of those whose requester is not remembered.
            if wanted.len() >= self.most && !wanted.contains_key(key) {
                return true;
            }
        }
        let now = Instant::now();
        let entry = wanted.entry(key.clone()).or_insert_with(|| Wanted {
            since: now,
            requesters: Vec::new(),
            ticket: Weak::new(),
        });
        entry.since = now;
        if !entry.requesters.contains(requester) && entry.requesters.len() < MAX_REQUESTERS {
            entry.requesters.push(requester.clone());
        }
        if let Some(ticket) = entry.ticket.upgrade().filter(|ticket| ticket.waits()) {
            self.gate.join(&ticket, requester);
        }
        true
    }

    /// Waits for a place for the reading of a key, from the first poll on: a reading that waits for the one before it does
    /// not stand in line.
    pub(super) fn place(&self, key: &K) -> impl Future<Output = Option<Place>> + Send + use<K> {
        let (gate, wanted, key) = (Arc::clone(&self.gate), Arc::clone(&self.wanted), key.clone());
        async move {
            let waiting = {
                let mut wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
                let mut entry = wanted.get_mut(&key);
                let requesters = entry.as_mut().map(|entry| std::mem::take(&mut entry.requesters)).unwrap_or_default();
                let (ticket, waiting) = gate.wait(requesters.first().unwrap_or(&Requester::default()));
                requesters.iter().skip(1).for_each(|requester| gate.join(&ticket, requester));
                if let Some(entry) = entry {
                    entry.ticket = Arc::downgrade(&ticket);
                }
                waiting
            };
            waiting.await
        }
    }
}
