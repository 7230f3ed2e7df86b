//! Who may read from AWS next: places are few, and those who wait for one get it in turns, so that no client and no
//! namespace keeps the others waiting.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::oneshot;

/// On whose behalf something is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requester {
    /// The address that the review came from; `None` where it is not known.
    pub source: Option<IpAddr>,
    /// The namespace that the review is about.
    pub namespace: String,
}

/// Most that wait for one namespace of a source, and for one source.
const MAX_WAITING_OF_NAMESPACE: usize = 256;
const MAX_WAITING_OF_SOURCE: usize = 768;

/// Places for reading from AWS. First the sources take turns, then the namespaces of a source, then those who wait for one
/// namespace in the order in which they came.
#[derive(Debug)]
pub(super) struct Gate {
    line: Mutex<Line>,
}

#[derive(Debug)]
struct Line {
    free: usize,
    /// Those with a review that waits, the next one first.
    sources: VecDeque<(Option<IpAddr>, VecDeque<OfNamespace>)>,
}

/// A namespace, and who waits for it.
type OfNamespace = (String, VecDeque<Weak<Ticket>>);

/// A wait for a place; it may stand in the line of several requesters.
#[derive(Debug)]
pub(super) struct Ticket {
    place: Mutex<Option<oneshot::Sender<Place>>>,
}

/// A place, free for the next when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    gate: Arc<Gate>,
}

impl Drop for Place {
    fn drop(&mut self) {
        Gate::release(&self.gate);
    }
}

impl Ticket {
    /// Whether it still waits for its place.
    pub(super) fn waits(&self) -> bool {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        place.as_ref().is_some_and(|sender| !sender.is_closed())
    }
}

impl Gate {
    /// A gate with so many places.
    pub(super) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { line: Mutex::new(Line { free: places, sources: VecDeque::new() }) })
    }

    /// Whether one more may wait for this requester.
    pub(super) fn has_room(&self, requester: &Requester) -> bool {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, namespaces)) = line.sources.iter_mut().find(|(source, _)| *source == requester.source) else {
            return true;
        };
        let count = |namespaces: &VecDeque<OfNamespace>| {
            let of_source: usize = namespaces.iter().map(|(_, tickets)| tickets.len()).sum();
            let own = namespaces.iter().find(|(namespace, _)| *namespace == requester.namespace);
            // A namespace without a waiting review gets in: all tenants of an API server share a source.
            own.is_none_or(|(_, tickets)| tickets.len() < MAX_WAITING_OF_NAMESPACE && of_source < MAX_WAITING_OF_SOURCE)
        };
        if count(namespaces) {
            return true;
        }
        // Those who gave up need no place.
        for (_, tickets) in namespaces.iter_mut() {
            tickets.retain(|ticket| ticket.upgrade().is_some_and(|ticket| ticket.waits()));
        }
        namespaces.retain(|(_, tickets)| !tickets.is_empty());
        count(namespaces)
    }

    /// Waits in line for a requester. The ticket is for those who want the same place for another requester too.
    pub(super) fn wait(
        self: &Arc<Self>,
        requester: &Requester,
    ) -> (Arc<Ticket>, impl Future<Output = Option<Place>> + Send + use<>) {
        let (sender, receiver) = oneshot::channel();
        let ticket = Arc::new(Ticket { place: Mutex::new(Some(sender)) });
        self.join(&ticket, requester);
        let held = Arc::clone(&ticket);
        let waiting = async move {
            let place = receiver.await.ok();
            drop(held);
            place
        };
        (ticket, waiting)
    }

    /// Lets a ticket stand in the line of this requester too: the turn that comes first counts.
    pub(super) fn join(self: &Arc<Self>, ticket: &Arc<Ticket>, requester: &Requester) {
        {
            let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
            let at = line.sources.iter().position(|(source, _)| *source == requester.source);
            let at = at.unwrap_or_else(|| {
                line.sources.push_back((requester.source, VecDeque::new()));
                line.sources.len() - 1
            });
            let Some((_, namespaces)) = line.sources.get_mut(at) else {
                return;
            };
            match namespaces.iter_mut().find(|(namespace, _)| *namespace == requester.namespace) {
                Some((_, tickets)) if tickets.iter().any(|other| other.as_ptr() == Arc::as_ptr(ticket)) => return,
                Some((_, tickets)) => tickets.push_back(Arc::downgrade(ticket)),
                None => namespaces.push_back((requester.namespace.clone(), VecDeque::from([Arc::downgrade(ticket)]))),
            }
        }
        self.admit();
    }

    /// Gives free places to those whose turn it is.
    fn admit(self: &Arc<Self>) {
        loop {
            let next = {
                let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
                if line.free == 0 {
                    return;
                }
                let Some(next) = line.next() else {
                    return;
                };
                line.free -= 1;
                next
            };
            let sender = next.place.lock().unwrap_or_else(PoisonError::into_inner).take();
            let place = Place { gate: Arc::clone(self) };
            // One who gave up meanwhile gives the place back by dropping it.
            if let Some(sender) = sender {
                let _ = sender.send(place);
            }
        }
    }

    fn release(this: &Arc<Self>) {
        this.line.lock().unwrap_or_else(PoisonError::into_inner).free += 1;
        this.admit();
    }
}

impl Line {
    /// Takes out the one whose turn it is, passing over those who gave up.
    fn next(&mut self) -> Option<Arc<Ticket>> {
        while let Some((source, mut namespaces)) = self.sources.pop_front() {
            let mut found = None;
            while let Some((namespace, mut tickets)) = namespaces.pop_front() {
                while let Some(ticket) = tickets.pop_front() {
                    found = ticket.upgrade().filter(|ticket| ticket.waits());
                    if found.is_some() {
                        break;
                    }
                }
                if !tickets.is_empty() {
                    namespaces.push_back((namespace, tickets));
                }
                if found.is_some() {
                    break;
                }
            }
            if !namespaces.is_empty() {
                self.sources.push_back((source, namespaces));
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn of(source: u8, namespace: &str) -> Requester {
        Requester { source: Some(IpAddr::from([10, 0, 0, source])), namespace: namespace.to_owned() }
    }

    /// Lets all wait in line behind the one place, and gives the names in the order of their turns.
    fn turns(waiting: &[(&str, Requester)]) -> Vec<String> {
        let gate = Gate::new(1);
        let (_ticket, first) = gate.wait(&of(0, "first"));
        let mut place = first.now_or_never().flatten();
        let mut all: Vec<_> = waiting
            .iter()
            .map(|(name, requester)| {
                let (_, wait) = gate.wait(requester);
                ((*name).to_owned(), wait.boxed())
            })
            .collect();
        let mut order = Vec::new();
        while !all.is_empty() {
            drop(place.take());
            let at = all.iter_mut().position(|(_, wait)| {
                place = wait.now_or_never().flatten();
                place.is_some()
            });
            order.push(all.remove(at.unwrap()).0);
        }
        order
    }

    #[test]
    fn sources_take_turns_then_namespaces() {
        let flood: Vec<(&str, Requester)> = (0..50).map(|_| ("flood", of(1, "a"))).collect();
        let late = [("b", of(1, "b")), ("c", of(2, "c")), ("d", of(2, "c"))];
        let order = turns(&[flood, late.to_vec()].concat());
        assert_eq!(order.len(), 53);
        let place = |name: &str| order.iter().position(|other| other == name).unwrap();
        assert!(place("c") < 2 && place("b") < 5 && place("d") < 6, "{order:?}");
    }

    #[test]
    fn those_who_gave_up_take_no_place() {
        let gate = Gate::new(1);
        let (_, first) = gate.wait(&of(0, "a"));
        let place = first.now_or_never().flatten().unwrap();
        let (_, second) = gate.wait(&of(0, "a"));
        drop(second);
        let (_, third) = gate.wait(&of(0, "a"));
        drop(place);
        assert!(third.now_or_never().flatten().is_some());
        // The place came back.
        assert!(gate.wait(&of(0, "a")).1.now_or_never().flatten().is_some());
    }

    #[test]
    fn a_ticket_in_two_lines_is_served_by_the_first() {
        let gate = Gate::new(1);
        let (_, first) = gate.wait(&of(0, "a"));
        let place = first.now_or_never().flatten().unwrap();
        let flood: Vec<_> = (0..20).map(|_| gate.wait(&of(1, "a"))).collect();
        let (ticket, wanted) = gate.wait(&of(1, "a"));
        gate.join(&ticket, &of(2, "victim"));
        drop(place);
        let mut flood: Vec<_> = flood.into_iter().map(|(_, wait)| wait.boxed()).collect();
        let one = flood.remove(0).now_or_never().flatten().unwrap();
        drop(one);
        assert!(wanted.now_or_never().flatten().is_some(), "the second turn is the other source's");
        assert!(flood.remove(0).now_or_never().flatten().is_some());
    }

    #[test]
    fn a_source_and_a_namespace_have_limits() {
        let gate = Gate::new(1);
        let held = gate.wait(&of(0, "a"));
        let mut waiting: Vec<_> = (0..MAX_WAITING_OF_NAMESPACE).map(|_| gate.wait(&of(1, "a"))).collect();
        assert!(!gate.has_room(&of(1, "a")) && gate.has_room(&of(1, "b")) && gate.has_room(&of(2, "a")));
        for namespace in ["b", "c"] {
            waiting.extend((0..MAX_WAITING_OF_NAMESPACE).map(|_| gate.wait(&of(1, namespace))));
        }
        assert!(gate.has_room(&of(1, "e")) && !gate.has_room(&of(1, "c")) && gate.has_room(&of(2, "e")));
        drop(waiting);
        assert!(gate.has_room(&of(1, "a")), "those who gave up do not count");
        drop(held);
    }
}
