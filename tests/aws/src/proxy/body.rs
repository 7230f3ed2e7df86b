//! The body of an answer, which may end before it is whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

/// Time for the first half of a cut answer to leave the machine's buffers before the connection closes.
const FLUSH: Duration = Duration::from_millis(20);

/// An answer's body.
pub(super) struct Answer {
    bytes: Option<Bytes>,
    length: u64,
    cut: Option<Pin<Box<Sleep>>>,
}

impl Answer {
    /// All of it.
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self { length: bytes.len() as u64, bytes: Some(bytes), cut: None }
    }

    /// The headers promise all of it; half comes, then the connection closes.
    pub(super) fn cut(bytes: &Bytes) -> Self {
        let half = bytes.slice(..bytes.len() / 2);
        Self { length: bytes.len() as u64, bytes: Some(half), cut: Some(Box::pin(tokio::time::sleep(FLUSH))) }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(bytes) = self.bytes.take()
            && !bytes.is_empty()
        {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match &mut self.cut {
            None => Poll::Ready(None),
            Some(wait) => wait.as_mut().poll(context).map(|()| Some(Err(io::ErrorKind::ConnectionReset.into()))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
