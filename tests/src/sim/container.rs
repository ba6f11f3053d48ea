//! What a container asks of its frontend beyond what every node does: files of brokers, stores that open and close, ports
//! that come and go.

use sansmq_core::container::BrokerFile;
use sansmq_host::{Completion, Input, Output};
use sansmq_store::disk::Disk as _;

use super::machine::Task;
use super::setup;
use super::world::World;

impl World {
    pub(super) fn perform_for_container(&mut self, machine: usize, output: Output) {
        match output {
            Output::ReadFile { role, path } => self.hand(machine, 2, Task::Read(role, path)),
            Output::OpenBroker { role, file, canonical } => {
                self.hand(machine, 0, Task::Open(role, file, canonical));
            }
            Output::CloseStore { role } => {
                let node = self.machines[machine].node.as_mut();
                match node.and_then(|node| node.take_store(role)) {
                    Some(store) => self.hand(machine, 0, Task::Close(role, Box::new(store))),
                    None => self.tell(machine, Input::StoreClosed { role }),
                }
            }
            Output::Listen { listener, .. } => {
                self.machines[machine].unbound.remove(&listener);
                self.tell(machine, Input::Listening { listener, result: Ok(()) });
            }
            Output::Unlisten { listener } => {
                self.machines[machine].unbound.insert(listener);
            }
            // the container's view of its brokers; its own node has told it
            Output::Elected { .. } => {}
            other => self.oracle.fail(format!("{machine} asked for what no server asks: {other:?}")),
        }
    }

    pub(super) fn read_file(&self, machine: usize, role: usize, path: String) -> Completion {
        let found = self.machines[machine].disk.read(path.as_ref());
        let text = found.map(|bytes| bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
        let result = match text {
            Ok(Some(text)) => Ok(text),
            Ok(None) => Err(format!("{path}: there is no such file")),
            Err(error) => Err(format!("{path}: {error}")),
        };
        Completion::FileRead { role, result }
    }

    pub(super) fn open_store(
        &mut self,
        machine: usize,
        role: usize,
        file: BrokerFile,
        canonical: String,
    ) -> Completion {
        let host = &self.machines[machine];
        let now = host.now(self.time);
        let result = setup::open(&host.disk, (machine, host.life), file, canonical, now);
        if let Err(why) = &result
            && !host.disk.is_off()
        {
            let text = format!("the broker of container {machine} does not start: {why}");
            self.oracle.fail(text);
        }
        Completion::Opened { role, result }
    }
}
