//! Sockets of the node's connections, and the two tasks of each: one reads into the shared buffer, one writes.

use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use async_std::io::{Read as _, Write as _};
use async_std::net::TcpStream;
use async_std::task;
use sansmq_core::wire::ConnId;
use sansmq_host::Input;

use crate::server::{Shared, World};

/// Slices handed to one vectored write.
const SLICES: usize = 64;
/// Reads or writes of one connection before others get their turn.
const PER_TURN: usize = 4;

/// One socket.
pub struct Link {
    stream: TcpStream,
    /// The node asked not to read for now.
    pub paused: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Link {
    /// Has the reading task look again.
    pub fn read_more(&self) {
        wake(self.reader.as_ref());
    }

    /// Has the writing task look again.
    pub fn write_more(&self) {
        wake(self.writer.as_ref());
    }
}

fn wake(waker: Option<&Waker>) {
    if let Some(waker) = waker {
        waker.wake_by_ref();
    }
}

/// Takes a socket in and starts its tasks.
pub fn add(shared: &Shared, world: &mut World, conn: ConnId, stream: TcpStream) {
    // Without this a reply may wait for the peer's acknowledgement; failing to set it costs latency only.
    let _ = stream.set_nodelay(true);
    world.links.insert(conn, Link { stream, paused: false, reader: None, writer: None });
    task::spawn_local(work(shared.clone(), conn, read));
    task::spawn_local(work(shared.clone(), conn, write));
}

/// One step of a task of a connection.
enum Step {
    /// There may be more to do.
    Done,
    /// The socket or the node will wake the task.
    Wait,
    /// The connection is gone.
    End,
}

async fn work(shared: Shared, conn: ConnId, step: fn(&mut World, ConnId, &mut Context<'_>) -> Step) {
    poll_fn(|cx| {
        for _ in 0..PER_TURN {
            match shared.turn(|world| step(world, conn, cx)) {
                Step::Done => {}
                Step::Wait => return Poll::Pending,
                Step::End => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Reads once and gives the node what came.
fn read(world: &mut World, conn: ConnId, cx: &mut Context<'_>) -> Step {
    let Some(link) = world.links.get_mut(&conn) else {
        return Step::End;
    };
    remember(&mut link.reader, cx);
    if link.paused {
        return Step::Wait;
    }
    match Pin::new(&mut &link.stream).poll_read(cx, &mut world.buffer) {
        Poll::Pending => Step::Wait,
        Poll::Ready(Ok(count)) if count > 0 => {
            let now = world.clock.now();
            world.node.handle(now, Input::Received { conn, data: &mut world.buffer[..count] });
            Step::Done
        }
        Poll::Ready(Err(error)) if error.kind() == std::io::ErrorKind::Interrupted => Step::Done,
        Poll::Ready(_) => {
            world.lost(conn);
            Step::End
        }
    }
}

/// Writes once of what the node has for the connection.
fn write(world: &mut World, conn: ConnId, cx: &mut Context<'_>) -> Step {
    let Some(link) = world.links.get_mut(&conn) else {
        return Step::End;
    };
    remember(&mut link.writer, cx);
    let Some(outbound) = world.node.outbound(conn).filter(|outbound| !outbound.is_empty()) else {
        return Step::Wait;
    };
    let mut slices = [IoSlice::new(&[]); SLICES];
    let count = outbound.slices(&mut slices);
    match Pin::new(&mut &link.stream).poll_write_vectored(cx, &slices[..count]) {
        Poll::Pending => Step::Wait,
        Poll::Ready(Ok(written)) if written > 0 => {
            let now = world.clock.now();
            world.node.sent(now, conn, written);
            Step::Done
        }
        Poll::Ready(Err(error)) if error.kind() == std::io::ErrorKind::Interrupted => Step::Done,
        Poll::Ready(_) => {
            world.lost(conn);
            Step::End
        }
    }
}

fn remember(slot: &mut Option<Waker>, cx: &Context<'_>) {
    if !slot.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        *slot = Some(cx.waker().clone());
    }
}
