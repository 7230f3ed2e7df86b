//! What to say of custom resources beside their findings.

use rolecall_core::custom::{CustomKind, Reading, Reference};

/// Remarks that are printed of one kind.
const MAX_REMARKS: usize = 20;

/// Collects remarks on custom resources.
#[derive(Debug, Default)]
pub struct CustomRemarks {
    unreadable: Vec<String>,
    further: usize,
    /// Objects that leave it to their controller, or to workloads, which identity is used.
    bare: usize,
}

impl CustomRemarks {
    /// Adds an object; `place` says where it is, or which one.
    pub fn add(&mut self, kind: &CustomKind, place: &str, reading: &Reading<'_>) {
        for path in &reading.malformed {
            self.add_unreadable(kind, place, path);
        }
        let references = &reading.references;
        self.bare += usize::from(!references.is_empty() && references.iter().all(Reference::is_bare));
    }

    /// Adds an object of which a field has another type than its CustomResourceDefinition says.
    pub fn add_unreadable(&mut self, kind: &CustomKind, place: &str, path: &str) {
        if self.unreadable.len() == MAX_REMARKS {
            self.further += 1;
            return;
        }
        let kind = kind.kind;
        self.unreadable
            .push(format!("{place}: {kind}: {path} has an unexpected type; the identity there is not checked"));
    }

    /// The remarks.
    pub fn into_notes(self) -> Vec<String> {
        let mut notes = self.unreadable;
        if self.further > 0 {
            notes.push(format!("… and {} more of these", self.further));
        }
        match self.bare {
            0 => {}
            1 => notes.push(format!("1 custom resource names {BARE}")),
            many => notes.push(format!("{many} custom resources name {BARE}")),
        }
        notes
    }
}

const BARE: &str =
    "no identity: its controller uses keys, the identity of its own pods, or that of a workload; check those";
