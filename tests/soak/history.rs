//! What was true at which time, and which answers that allows.

use std::time::Duration;

/// What rolecall asks before it denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Aws,
    ApiServer,
}

/// A change of a workload's chain. Between `from` and `to` rolecall may see either state.
#[derive(Debug, Clone, Copy)]
struct Change {
    from: Duration,
    to: Option<Duration>,
    holds: bool,
}

#[derive(Debug, Clone, Copy)]
struct Outage {
    source: Source,
    from: Duration,
    to: Option<Duration>,
}

/// All changes and outages of a run, by the time since its start.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// For each workload: its state at the start, and its changes.
    workloads: Vec<(bool, Vec<Change>)>,
    outages: Vec<Outage>,
}

impl History {
    pub(crate) fn new(initial: &[bool]) -> Self {
        Self { workloads: initial.iter().map(|holds| (*holds, Vec::new())).collect(), outages: Vec::new() }
    }

    pub(crate) fn begin_change(&mut self, workload: usize, holds: bool, now: Duration) {
        self.workloads[workload].1.push(Change { from: now, to: None, holds });
    }

    pub(crate) fn end_change(&mut self, workload: usize, now: Duration) {
        self.workloads[workload].1.last_mut().unwrap().to = Some(now);
    }

    pub(crate) fn begin_outage(&mut self, source: Source, now: Duration) {
        self.outages.push(Outage { source, from: now, to: None });
    }

    pub(crate) fn end_outage(&mut self, source: Source, now: Duration) {
        let open = self.outages.iter_mut().rfind(|outage| outage.source == source && outage.to.is_none());
        open.unwrap().to = Some(now);
    }

    /// Whether the chain held all the time from `from` to `to`, was broken all that time, or changed.
    pub(crate) fn held(&self, workload: usize, from: Duration, to: Duration) -> Option<bool> {
        let (initial, changes) = &self.workloads[workload];
        let mut holds = *initial;
        for change in changes {
            match change.to {
                Some(done) if done < from => holds = change.holds,
                _ if change.from > to => {}
                _ => return None,
            }
        }
        Some(holds)
    }

    pub(crate) fn is_calm(&self, source: Source, from: Duration, to: Duration) -> bool {
        let apart = |outage: &Outage| outage.from > to || outage.to.is_some_and(|end| end < from);
        self.outages.iter().filter(|outage| outage.source == source).all(apart)
    }

    /// How often a source was away, and how often a chain changed.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let of = |source| self.outages.iter().filter(|outage| outage.source == source).count();
        (of(Source::Aws), of(Source::ApiServer), self.workloads.iter().map(|(_, changes)| changes.len()).sum())
    }
}

#[test]
fn a_change_makes_the_state_uncertain_while_it_runs() {
    let at = Duration::from_secs;
    let mut history = History::new(&[true]);
    history.begin_change(0, false, at(10));
    assert_eq!(history.held(0, at(5), at(9)), Some(true));
    assert_eq!(history.held(0, at(5), at(10)), None);
    assert_eq!(history.held(0, at(20), at(21)), None);
    history.end_change(0, at(12));
    assert_eq!(history.held(0, at(12), at(13)), None);
    assert_eq!(history.held(0, at(13), at(14)), Some(false));
    history.begin_outage(Source::Aws, at(20));
    assert!(history.is_calm(Source::Aws, at(10), at(19)) && !history.is_calm(Source::Aws, at(30), at(31)));
    history.end_outage(Source::Aws, at(22));
    assert!(history.is_calm(Source::Aws, at(23), at(31)) && history.is_calm(Source::ApiServer, at(20), at(21)));
}
