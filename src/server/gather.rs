//! Answers that leave together, in one TLS record and one system call.
//!
//! Over a stream that takes vectored writes, `h2` sends every body of 256 bytes or more by itself; over one that does not,
//! bodies below 1,024 bytes are copied behind each other first (`h2`, `codec/framed_write.rs`, `CHAIN_THRESHOLD`). Nearly
//! every answer lies between the two.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Accepts as another does, and hides from HTTP that the stream takes vectored writes.
#[derive(Debug, Clone)]
pub(super) struct GatherAcceptor<A>(pub(super) A);

/// A stream that does not tell that it takes vectored writes.
#[derive(Debug)]
pub(super) struct Gather<S>(S);

impl<A, I, S> Accept<I, S> for GatherAcceptor<A>
where
    A: Accept<I, S>,
    A::Future: Send + 'static,
{
    type Stream = Gather<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let accepted = self.0.accept(stream, service);
        Box::pin(async move { accepted.await.map(|(stream, service)| (Gather(stream), service)) })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gather<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}
