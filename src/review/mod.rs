//! AdmissionReview in, AdmissionReview out (Kubernetes API reference, admission.k8s.io/v1). Knows no socket: a body comes in,
//! a status and a body go out, with the record of what was decided.

mod answer;
mod disclosure;
mod frame;
mod guard;
mod lifted;
mod namespace;
mod note;
mod notice;
mod outcome;
mod pause;
mod raise;
mod record;
mod request;
mod response;
mod retry;
mod unread;

pub use answer::{answer, consider};
pub use disclosure::{IamDetail, Messages};
pub use frame::Frame;
pub use guard::{Access, AccessReviewer, Lowering, ON_OUTAGE, OPT_OUT, RIGHT, User};
pub use lifted::Lifted;
pub use namespace::{NamespaceAnswers, NamespaceChange, answer_namespace};
pub use note::MAX_NOTE_BYTES;
#[cfg(feature = "kube")]
pub(crate) use notice::is_id;
pub use notice::{ImpossibleObject, Note, Notice, NoticeSink, NoticedObject, Warned};
pub use outcome::{Authority, NextStep, OnError, Reply, Settings, Standing};
pub use pause::{AskedPause, MAX_PAUSE, PAUSE_CONFIG_MAP, PAUSE_UNTIL, Pause};
pub use raise::{DeniedOwner, NoPreview, Preview, Previewer, Raise, RaisedLevel};
pub use record::{Fault, Record};
pub use request::{GroupKind, Request, Review, Unreadable, read};
pub use response::{MAX_WARNING_CHARS, MAX_WARNINGS_CHARS};
pub use rolecall_message::{denial, warnings};
pub use unread::{Unread, unread};
