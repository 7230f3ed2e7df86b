//! Commands that put the parts together: sources, judgement and server.

mod certificates;
mod client;
#[cfg(feature = "kube")]
mod cluster;
mod demo;
#[cfg(all(feature = "aws", feature = "kube"))]
mod leader;
mod live;
#[cfg(feature = "kube")]
mod previews;
mod serve;
mod shutdown;

pub use client::Client;
pub use demo::demo;
pub use serve::serve;

/// Runs this to its end. What it leaves behind on other threads, such as a check or a collection under way, is not waited for.
fn run<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = runtime()?;
    let ended = runtime.block_on(future);
    runtime.shutdown_background();
    ended
}

/// A runtime as wide as the processors that this process may use; a single-threaded one where that is one, which spares
/// the hand-over between threads.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = if processors == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    builder.enable_all().build()
}
