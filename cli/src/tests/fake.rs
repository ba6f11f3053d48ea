//! Servers that answer from a script, and a world whose client reaches only them.

use sansmq_core::wire::frame::{self, Head, Limits, Split};
use sansmq_core::wire::{Command, Encoding, Ext};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use crate::app::{self, World};
use crate::client::Client;
use crate::clock::Zone;

/// A request that is expected and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub addr: String,
    pub code: i32,
    /// Fields the request has to have.
    pub fields: Vec<(String, String)>,
    /// The body the request has to have, where it is known.
    pub sent: Option<String>,
    pub answer: Command,
    pub used: bool,
}

/// The script; exchanges of the same request are used in order, the last one again and again.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<Vec<Exchange>>>);

impl Script {
    pub fn new(exchanges: Vec<Exchange>) -> Self {
        Script(Arc::new(Mutex::new(exchanges)))
    }

    /// A copy of what is in it.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.0.lock().unwrap().clone()
    }

    /// Replaces the body of every answer to that request code.
    pub fn with_body(self, code: i32, body: impl Into<bytes::Bytes>) -> Self {
        let body = body.into();
        for exchange in self.0.lock().unwrap().iter_mut().filter(|e| e.code == code) {
            exchange.answer.body = body.clone();
        }
        self
    }

    /// Serves so many connections on a listener, for what does not dial through the world.
    pub fn listen(self, listener: TcpListener, connections: usize) {
        let addr = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming().take(connections) {
                let (script, addr, stream) = (self.clone(), addr.clone(), stream.unwrap());
                std::thread::spawn(move || script.serve(&addr, stream));
            }
        });
    }

    /// Compares no other fields of requests than these.
    pub fn only_fields(self, names: &[&str]) -> Self {
        for exchange in self.0.lock().unwrap().iter_mut() {
            exchange.fields.retain(|(name, _)| names.contains(&name.as_str()));
        }
        self
    }

    fn answer(&self, addr: &str, request: &Command) -> Command {
        let mut script = self.0.lock().unwrap();
        let matching: Vec<usize> =
            (0..script.len()).filter(|index| fits(&script[*index], addr, request)).collect();
        let chosen = matching.iter().find(|index| !script[**index].used).or(matching.last());
        let Some(chosen) = chosen else {
            let fields: Vec<String> =
                request.ext.iter().flat_map(|ext| ext.iter()).map(|(k, v)| format!("{k}={v}")).collect();
            let text = format!("unexpected request {} {fields:?} to {addr}", request.code);
            return Command { remark: Some(text.into()), ..Command::response(1, request.opaque) };
        };
        script[*chosen].used = true;
        Command { opaque: request.opaque, ..script[*chosen].answer.clone() }
    }

    fn serve(&self, addr: &str, mut stream: TcpStream) {
        let (mut buffer, mut head, mut chunk) = (Vec::new(), Head::default(), [0; 8192]);
        loop {
            while let Ok(Split::Whole(length)) = frame::split(&buffer, Limits::default()) {
                let request = Command::from(&frame::decode(&mut buffer[..length], &mut head).unwrap());
                buffer.drain(..length);
                let answer = self.answer(addr, &request).encode(Encoding::Json);
                if stream.write_all(&answer).is_err() {
                    return;
                }
            }
            match stream.read(&mut chunk) {
                Ok(0) | Err(_) => return,
                Ok(count) => buffer.extend_from_slice(&chunk[..count]),
            }
        }
    }
}

fn fits(exchange: &Exchange, addr: &str, request: &Command) -> bool {
    exchange.addr == addr
        && exchange.code == request.code
        && exchange.fields.iter().all(|(key, value)| request.ext_text(key).as_ref() == Some(value))
        && exchange.sent.as_ref().is_none_or(|body| *body == String::from_utf8_lossy(&request.body))
}

/// An exchange for any request of that code.
pub fn any(addr: &str, code: i32, answer: Command) -> Exchange {
    Exchange { addr: addr.to_owned(), code, fields: Vec::new(), sent: None, answer, used: false }
}

/// An answer with those fields.
pub fn answer(code: i32, remark: Option<&str>, fields: &[(String, String)], body: &[u8]) -> Command {
    let mut ext = Ext::new();
    for (key, value) in fields {
        ext.put(key.clone(), value.clone());
    }
    Command {
        remark: remark.map(|text| text.to_owned().into()),
        ext: Some(ext),
        ..Command::response(code, 0).with_body(body.to_vec())
    }
}

#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a run left behind.
pub struct Outcome {
    pub status: u8,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command line against the script, at the given time.
pub fn run_at(words: &[String], script: &Script, encoding: Encoding, now: fn() -> i64) -> Outcome {
    let (out, err) = (Shared::default(), Shared::default());
    let script = script.clone();
    let dial = move |addr: &str| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let (served, _) = listener.accept()?;
        let (script, addr) = (script.clone(), addr.to_owned());
        std::thread::spawn(move || script.serve(&addr, served));
        Ok(stream)
    };
    let mut world = World {
        out: Box::new(out.clone()),
        err: Box::new(err.clone()),
        client: Client::with_dialer(encoding, Box::new(dial)),
        default_names: None,
        zone: Zone::Utc,
        now,
        bodies: std::env::temp_dir().join(format!("mqadmin-test-{}", std::process::id())),
    };
    let bodies = world.bodies.display().to_string();
    let status = app::run(words, &mut world);
    drop(world);
    let text = |shared: &Shared| String::from_utf8_lossy(&shared.0.borrow()).into_owned();
    let stdout = text(&out).replace(&bodies, "/tmp/rocketmq/msgbodys");
    Outcome { status, stdout, stderr: text(&err) }
}

/// As [`run_at`], at some fixed time.
pub fn run(words: &[String], script: &Script) -> Outcome {
    run_at(words, script, Encoding::Json, || 1_795_310_146_751)
}
