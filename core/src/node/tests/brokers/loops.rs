//! Brokers on loops of their own, as the container's node knows them.

use super::*;

impl Yard {
    /// Asks for a broker; the number of the loop the node wants for it.
    fn ask_for_loop(&mut self, text: &str) -> usize {
        self.add(text);
        match self.outputs.pop() {
            Some(Output::StartLoop { id, canonical, .. }) => {
                assert_eq!(
                    canonical,
                    format!("DefaultCluster_a_{}", if text.contains("SLAVE") { -1 } else { 0 })
                );
                id
            }
            other => panic!("expected a loop to be started: {other:?}"),
        }
    }

    fn on_loop(&mut self) -> usize {
        let id = self.ask_for_loop(CONF);
        assert!(self.answers(self.admin).is_empty(), "nothing serves yet");
        self.handle(Input::LoopStarted { id, result: Ok(()) });
        assert_eq!(self.said().0, 0);
        id
    }

    /// What the last request got: code and remark.
    fn said(&mut self) -> (i32, String) {
        let answer = self.answers(self.admin).pop().expect("an answer");
        (answer.code, answer.remark.unwrap_or_default().to_string())
    }

    fn stops(&mut self) -> Vec<usize> {
        let stops = self.outputs.drain(..).filter_map(|output| match output {
            Output::StopLoop { id } => Some(id),
            _ => None,
        });
        stops.collect()
    }
}

#[test]
fn a_loop_comes_and_goes() {
    let mut yard = Yard::with_loops(true);
    for round in 0..3 {
        let id = yard.on_loop();
        assert_eq!(id, round, "a number is never used twice");
        yard.add(CONF);
        assert!(yard.said().1.ends_with("has already been added to current broker container"));
        yard.remove();
        assert_eq!(yard.stops(), [id]);
        assert!(yard.answers(yard.admin).is_empty(), "it is not gone yet");
        yard.handle(Input::LoopEnded { id, why: None });
        assert_eq!(yard.said().0, 0);
    }
    assert_eq!((yard.node.listeners.len(), yard.node.roles.len()), (1, 1), "nothing of theirs is here");
}

#[test]
fn one_that_does_not_come_up_leaves_nothing() {
    let mut yard = Yard::with_loops(true);
    let failures = [
        (StartError::Listen("cannot listen on x:1".into()), "start broker failed, cannot listen on x:1"),
        (
            StartError::Open("no disk".into()),
            "Failed to initialize master broker DefaultCluster_a_0, no disk",
        ),
    ];
    for (error, words) in failures {
        let id = yard.ask_for_loop(CONF);
        yard.handle(Input::LoopStarted { id, result: Err(error) });
        assert_eq!(yard.said(), (response::SYSTEM_ERROR, words.to_owned()));
        yard.handle(Input::LoopEnded { id, why: None });
        assert!(yard.node.loops.is_empty());
    }
    yard.on_loop();
}

#[test]
fn one_that_ends_by_itself_can_be_added_again() {
    let mut yard = Yard::with_loops(true);
    let id = yard.on_loop();
    yard.handle(Input::LoopEnded { id, why: Some("its thread panicked".into()) });
    let told = yard.outputs.iter().any(|output| {
        matches!(output, Output::Say { line, is_error: true } if line == "Broker [a-0] has ended: its thread panicked")
    });
    assert!(told, "{:?}", yard.outputs);
    let id = yard.on_loop();
    // It may do so just when it is to be removed.
    yard.remove();
    yard.handle(Input::LoopEnded { id, why: Some("its thread panicked".into()) });
    assert_eq!(yard.said().0, 0);
    yard.on_loop();
}

#[test]
fn the_process_ends_after_its_loops() {
    let mut yard = Yard::with_loops(true);
    let first = yard.on_loop();
    let other = "brokerName=b\nlistenPort=30000\nbrokerIP1=127.0.0.1\nstorePathRootDir=/s/b\n";
    yard.add(other);
    let Some(Output::StartLoop { id: second, .. }) = yard.outputs.pop() else { panic!("{:?}", yard.outputs) };
    yard.handle(Input::Shutdown);
    assert_eq!(yard.stops(), [first], "the other cannot be told yet");
    yard.handle(Input::LoopStarted { id: second, result: Ok(()) });
    assert_eq!(yard.stops(), [second]);
    yard.handle(Input::LoopEnded { id: first, why: None });
    yard.now.mono = yard.now.mono.plus_ms(10 * DRAIN_MS);
    yard.handle(Input::Tick);
    assert!(!yard.outputs.iter().any(|output| matches!(output, Output::Stopped)), "{:?}", yard.outputs);
    yard.handle(Input::LoopEnded { id: second, why: None });
    assert_eq!(yard.said().1, "start broker failed, the process is stopping");
    yard.handle(Input::Tick);
    assert!(yard.outputs.iter().any(|output| matches!(output, Output::Stopped)), "{:?}", yard.outputs);
}

#[test]
fn a_broker_with_a_controller_is_removed_by_the_id_it_has_now() {
    let mut yard = Yard::with_loops(true);
    let text =
        format!("{CONF}enableControllerMode=true\ncontrollerAddr=x:1\nbrokerRole=SLAVE\nbrokerId=-1\n");
    let id = yard.ask_for_loop(&text);
    yard.handle(Input::LoopStarted { id, result: Ok(()) });
    assert_eq!(yard.said().0, 0);
    let remove = |yard: &mut Yard, broker: i64| {
        yard.outputs.clear();
        let ext = Ext::new()
            .with("brokerClusterName", "DefaultCluster")
            .with("brokerName", "a")
            .with("brokerId", broker);
        yard.send(yard.admin, request::REMOVE_BROKER, ext);
        yard.stops()
    };
    assert!(remove(&mut yard, 2).is_empty(), "it has no id yet");
    assert_eq!(yard.said().0, response::BROKER_NOT_EXIST);
    yard.handle(Input::LoopElected { id, broker_id: 2 });
    assert!(remove(&mut yard, 1).is_empty(), "that is another's");
    assert_eq!(remove(&mut yard, 2), [id]);
    yard.handle(Input::LoopEnded { id, why: None });
    assert_eq!(yard.said().0, 0);
    // By the file's id as well, as the reference has it.
    let id = yard.ask_for_loop(&text);
    yard.handle(Input::LoopStarted { id, result: Ok(()) });
    yard.said();
    assert_eq!(remove(&mut yard, -1), [id]);
}

quickcheck! {
    /// Whatever loops report in whatever order, a process that is to stop does once all of them are gone.
    fn any_order_of_reports_comes_to_an_end(steps: Vec<(u8, u8)>) -> bool {
        let mut yard = Yard::with_loops(true);
        let mut open = Vec::new();
        for (what, which) in steps {
            match what % 4 {
                0 => {
                    yard.send(yard.admin, request::ADD_BROKER, Ext::new().with("configPath", "a.conf"));
                    let port = 20_000 + 10 * i32::from(which);
                    let text = format!("brokerName=b{which}\nlistenPort={port}\nstorePathRootDir=/s/{which}\n");
                    yard.handle(Input::FileRead { role: 0, result: Ok(text) });
                }
                1 => yard.handle(Input::LoopStarted { id: which as usize % 8, result: Ok(()) }),
                2 => {
                    let result = Err(StartError::Open("no".into()));
                    yard.handle(Input::LoopStarted { id: which as usize % 8, result });
                }
                _ => yard.handle(Input::LoopEnded { id: which as usize % 8, why: None }),
            }
        }
        yard.handle(Input::Shutdown);
        yard.handle(Input::FileRead { role: 0, result: Err("gone".into()) });
        let ids = yard.outputs.iter().filter_map(|output| match output {
            Output::StartLoop { id, .. } => Some(*id),
            _ => None,
        });
        open.extend(ids);
        for id in open {
            yard.handle(Input::LoopStarted { id, result: Ok(()) });
            yard.handle(Input::LoopEnded { id, why: None });
        }
        yard.answers(yard.admin);
        yard.now.mono = yard.now.mono.plus_ms(2 * DRAIN_MS);
        yard.handle(Input::Tick);
        yard.outputs.iter().any(|output| matches!(output, Output::Stopped))
    }
}
