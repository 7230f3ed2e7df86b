//! What a process that ends waits for, briefly: to let go of what others wait for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

/// Tasks that are to end before the process does.
#[derive(Debug, Clone, Default)]
pub(super) struct Shutdown(Arc<Mutex<Vec<JoinHandle<()>>>>);

/// The longest that all of them are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

impl Shutdown {
    /// This one is waited for.
    #[cfg_attr(not(all(feature = "aws", feature = "kube")), expect(dead_code, reason = "only a Lease is given back"))]
    pub(super) fn wait_for(&self, task: JoinHandle<()>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    /// Waits for all, or until patience ends.
    pub(super) async fn say(self) {
        let tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = tokio::time::timeout(PATIENCE, futures_util::future::join_all(tasks)).await;
    }
}
