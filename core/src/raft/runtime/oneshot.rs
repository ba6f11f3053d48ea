//! One value from one task to another.

use futures_channel::oneshot::{Canceled, Receiver, Sender, channel};
use openraft_rt::{OneshotSender, OptionalSend};

pub struct Oneshot;

pub struct Handover<T>(Sender<T>);

impl openraft_rt::Oneshot for Oneshot {
    type Sender<T: OptionalSend> = Handover<T>;
    type Receiver<T: OptionalSend> = Receiver<T>;
    type ReceiverError = Canceled;

    fn channel<T: OptionalSend>() -> (Self::Sender<T>, Self::Receiver<T>) {
        let (sender, receiver) = channel();
        (Handover(sender), receiver)
    }
}

impl<T: OptionalSend> OneshotSender<T> for Handover<T> {
    fn send(self, value: T) -> Result<(), T> {
        self.0.send(value)
    }
}
