//! Where connections come from: listeners and dials.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

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
    let bind_one = |listener: &Listener| {
        let addr: SocketAddr =
            listener.bind.parse().map_err(|_| std::io::Error::other("not an IP address and port"))?;
        let socket = std::net::TcpListener::bind(addr)?;
        // Binding listens with a shorter queue; a second call only changes its length.
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(socket.into())
    };
    let fault = |addr: &str, source| HostError::Listen { addr: addr.to_owned(), source };
    listeners.iter().map(|one| bind_one(one).map_err(|source| fault(&one.bind, source))).collect()
}

/// Takes in the connections of the listener with this index.
pub async fn accept(shared: Shared, index: usize, listener: TcpListener) {
    for taken in 1usize.. {
        match listener.accept().await {
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
