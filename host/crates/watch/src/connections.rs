//! The connections of viewers: a bounded number, each with a time for everything it does, so that whoever opens them and
//! says nothing takes no descriptors from the run. What more viewers want waits in the kernel.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Connections at once.
const MOST: usize = 64;
/// A request must have come so long after its first byte, or after the connection was made.
const HEAD: Duration = Duration::from_secs(10);
/// A connection on which nothing moves for so long is closed: snapshots are sent every second.
const IDLE: Duration = Duration::from_secs(60);
/// Where the machine has no descriptors left, the next viewer waits so long.
const EXHAUSTED: Duration = Duration::from_secs(1);

/// How long connections may take.
#[derive(Clone, Copy, Debug)]
struct Patience {
    head: Duration,
    idle: Duration,
}

/// Listens for a bounded number of viewers.
pub(super) struct Connections {
    listener: TcpListener,
    room: Arc<Semaphore>,
    patience: Patience,
}

impl Connections {
    pub(super) fn new(listener: TcpListener) -> Connections {
        Connections {
            listener,
            room: Arc::new(Semaphore::new(MOST)),
            patience: Patience {
                head: HEAD,
                idle: IDLE,
            },
        }
    }
}

impl Listener for Connections {
    type Io = Connection<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            // Room first: a connection that is accepted takes a descriptor.
            let Ok(room) = Arc::clone(&self.room).acquire_owned().await else {
                return std::future::pending().await;
            };
            match TcpListener::accept(&self.listener).await {
                Ok((stream, address)) => {
                    return (Connection::new(stream, Some(room), self.patience), address);
                }
                // Who went away before being accepted is no matter; a want of descriptors passes.
                Err(error) if is_of_one(&error) => {}
                Err(_) => sleep(EXHAUSTED).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Whether an error is about one connection and not about all.
fn is_of_one(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// One connection.
pub(super) struct Connection<S> {
    stream: S,
    _room: Option<OwnedSemaphorePermit>,
    patience: Patience,
    deadline: Pin<Box<Sleep>>,
    head: Head,
}

/// How much of a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// Nothing; the last one, if there was one, was answered.
    Awaited,
    /// A part: so many bytes of the blank line that ends it.
    Begun(usize),
    /// All of it. What comes now is its body, until the answer begins.
    Come,
}

/// What ends the head of a request.
const END: &[u8] = b"\r\n\r\n";

impl Head {
    /// Whether a request is being sent after these bytes came.
    fn after(self, bytes: &[u8]) -> Head {
        bytes.iter().fold(self, |head, byte| {
            let matched = match head {
                Head::Awaited => 0,
                Head::Begun(matched) => matched,
                Head::Come => return Head::Come,
            };
            let matched = match END.get(matched) {
                Some(expected) if expected == byte => matched + 1,
                _ => usize::from(*byte == b'\r'),
            };
            if matched == END.len() {
                Head::Come
            } else {
                Head::Begun(matched)
            }
        })
    }
}

impl<S> Connection<S> {
    fn new(stream: S, room: Option<OwnedSemaphorePermit>, patience: Patience) -> Connection<S> {
        Connection {
            stream,
            _room: room,
            patience,
            deadline: Box::pin(sleep(patience.head)),
            head: Head::Begun(0),
        }
    }

    fn moved(&mut self, patience: Duration) {
        self.deadline.as_mut().reset(Instant::now() + patience);
    }

    /// An error once its time is over.
    fn in_time(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.deadline.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }

    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(result) => {
                // An answer does not lengthen the time of the request behind it.
                if !matches!(self.head, Head::Begun(_)) {
                    self.head = Head::Awaited;
                    self.moved(self.patience.idle);
                }
                Poll::Ready(result)
            }
            Poll::Pending => {
                self.in_time(context)?;
                Poll::Pending
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        connection.in_time(context)?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut connection.stream).poll_read(context, buffer))?;
        let came = buffer.filled().get(before..).unwrap_or_default();
        if came.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let had = connection.head;
        connection.head = had.after(came);
        match (had, connection.head) {
            (_, Head::Awaited | Head::Come) => connection.moved(connection.patience.idle),
            (Head::Awaited | Head::Come, Head::Begun(_)) => {
                connection.moved(connection.patience.head);
            }
            // The rest of a head does not lengthen its time.
            (Head::Begun(_), Head::Begun(_)) => {}
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let connection = self.get_mut();
        let result = Pin::new(&mut connection.stream).poll_write(context, bytes);
        connection.wrote(context, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let connection = self.get_mut();
        let result = Pin::new(&mut connection.stream).poll_write_vectored(context, parts);
        connection.wrote(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(60),
    };

    fn connection(room: usize) -> (DuplexStream, Connection<DuplexStream>) {
        let (far, near) = duplex(room);
        (far, Connection::new(near, None, PATIENCE))
    }

    async fn read(connection: &mut Connection<DuplexStream>) -> io::Result<usize> {
        connection.read(&mut [0; 256]).await
    }

    #[test]
    fn a_head_ends_with_a_blank_line_wherever_it_is_cut() {
        let whole = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for cut in 1..whole.len() {
            let (one, other) = whole.split_at(cut);
            let begun = Head::Awaited.after(one);
            assert_ne!(begun, Head::Come, "{cut}");
            assert_eq!(begun.after(other), Head::Come, "{cut}");
        }
        assert_eq!(Head::Awaited.after(b"\r\r\n\r\n"), Head::Come);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_no_head_and_the_next_request_may_come_later() {
        let (mut far, mut near) = connection(256);
        for _ in 0..3 {
            far.write_all(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n")
                .await
                .unwrap();
            read(&mut near).await.unwrap();
            far.write_all(b"body").await.unwrap();
            read(&mut near).await.unwrap();
            near.write_all(b"answer").await.unwrap();
            far.read_exact(&mut [0; 6]).await.unwrap();
            tokio::time::sleep(Duration::from_secs(50)).await;
        }
        far.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        read(&mut near).await.unwrap();
        let start = Instant::now();
        let error = read(&mut near).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_or_half_a_request_is_let_go() {
        let start = Instant::now();
        let (mut far, mut near) = connection(256);
        far.write_all(b"GET / HTTP/1.1\r\nHost: 127").await.unwrap();
        read(&mut near).await.unwrap();
        tokio::time::sleep(Duration::from_secs(9)).await;
        far.write_all(b".").await.unwrap();
        read(&mut near).await.unwrap();
        let error = read(&mut near).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_snapshots_may_stay_and_who_takes_none_is_let_go() {
        let (mut far, mut near) = connection(8);
        far.write_all(b"GET / \r\n").await.unwrap();
        read(&mut near).await.unwrap();
        far.write_all(b"\r\n").await.unwrap();
        read(&mut near).await.unwrap();
        for _ in 0..10 {
            near.write_all(b"snapshot").await.unwrap();
            far.read_exact(&mut [0; 8]).await.unwrap();
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
        near.write_all(b"snapshot").await.unwrap();
        let start = Instant::now();
        let error = near.write_all(b"snapshot").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), Duration::from_secs(60));
    }
}
