//! What the process waits for before it ends, briefly: tasks that give back what other replicas wait for.

use std::time::Duration;

use tokio_util::task::TaskTracker;

/// Tasks that end before the process does.
#[derive(Debug, Clone, Default)]
pub(super) struct Shutdown(TaskTracker);

/// How long the process waits for all of them together.
const MAX_WAIT: Duration = Duration::from_secs(2);

impl Shutdown {
    /// Starts a task that the process waits for.
    #[cfg_attr(not(feature = "kube"), expect(dead_code, reason = "only a Lease is given back"))]
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }

    /// Waits until all have ended, or for [`MAX_WAIT`].
    pub(super) async fn wait(self) {
        self.0.close();
        let _ = tokio::time::timeout(MAX_WAIT, self.0.wait()).await;
    }
}
