//! Where connections come from: listeners and dials.

use std::future::{Future as _, poll_fn};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use async_std::channel::Receiver;
use async_std::net::{TcpListener, TcpStream};
use async_std::task;
use sansmq_core::node::Listener;
use sansmq_core::wire::ConnId;
use sansmq_host::{HostError, Input};

use crate::links;
use crate::server::Shared;

/// Connections taken in before others get their turn.
const ACCEPTS_PER_TURN: usize = 64;
/// How long to wait when the process has no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections the kernel holds until they are accepted, as the reference has it.
const BACKLOG: i32 = 1024;

/// Binds all listening addresses, in order.
pub fn bind(listeners: &[Listener]) -> Result<Vec<TcpListener>, HostError> {
    let fault = |addr: &str, source| HostError::Listen { addr: addr.to_owned(), source };
    listeners.iter().map(|one| bind_one(&one.bind).map_err(|source| fault(&one.bind, source))).collect()
}

/// Binds one address, `ip:port`.
pub fn bind_one(bind: &str) -> std::io::Result<TcpListener> {
    let addr: SocketAddr = bind.parse().map_err(|_| std::io::Error::other("not an IP address and port"))?;
    let socket = std::net::TcpListener::bind(addr)?;
    // Binding listens with a shorter queue; a second call only changes its length.
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// The next connection; `None` once the channel is closed.
async fn next(
    listener: &TcpListener,
    closed: &Receiver<()>,
) -> Option<std::io::Result<(TcpStream, SocketAddr)>> {
    let (mut accept, mut end) = (pin!(listener.accept()), pin!(closed.recv()));
    poll_fn(|cx| match end.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending => accept.as_mut().poll(cx).map(Some),
    })
    .await
}

/// Takes in the connections of the listener with this index.
pub async fn accept(shared: Shared, index: usize, listener: TcpListener, closed: Receiver<()>) {
    for taken in 1usize.. {
        let Some(connection) = next(&listener, &closed).await else {
            return;
        };
        match connection {
            Ok((stream, peer)) => shared.turn(|world| {
                let conn = world.node.accept(world.clock.now(), index, peer);
                links::add(&shared, world, conn, stream);
            }),
            // The peer is gone already.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
            Err(error) => {
                tracing::error!(%error, "accepting a connection failed");
                task::sleep(PAUSE).await;
            }
        }
        if taken % ACCEPTS_PER_TURN == 0 {
            task::yield_now().await;
        }
    }
}

/// Makes a connection for the node.
pub async fn dial(shared: Shared, conn: ConnId, addr: String) {
    let outcome =
        TcpStream::connect(addr.as_str()).await.and_then(|stream| Ok((stream.peer_addr()?, stream)));
    shared.turn(|world| match outcome {
        Ok((peer, stream)) => {
            links::add(&shared, world, conn, stream);
            world.tell(Input::Dialled { conn, peer });
        }
        Err(error) => {
            let refused = error.kind() == std::io::ErrorKind::ConnectionRefused;
            world.tell(Input::DialFailed { conn, refused, error: error.to_string() });
        }
    });
}
