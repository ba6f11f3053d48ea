//! Who is in the container, and what nobody else may have: identities, ports, folders.

use core::fmt;

use super::Place;

/// The three maps of the reference; an identity may appear once in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    DLedger,
    Slave,
    Master,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::DLedger => "dLedger",
            Kind::Slave => "slave",
            Kind::Master => "master",
        })
    }
}

/// `BrokerIdentity`; shown as its canonical name, `cluster_name_id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    pub cluster: String,
    pub name: String,
    pub id: i64,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{}", self.cluster, self.name, self.id)
    }
}

/// A broker of the container, running or about to.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub kind: Kind,
    pub identity: Identity,
    pub listen_port: i32,
    /// Store root and commit log folders.
    pub folders: Vec<String>,
    /// Where it is, once it runs.
    pub place: Option<Place>,
    /// The id its controller gave it, which may change; `identity` keeps the one of its file.
    pub elected_id: Option<i64>,
}

impl Member {
    /// The broker's port, its fast port, and the port of replication.
    fn ports(&self) -> [i32; 3] {
        [self.listen_port, self.listen_port - 2, self.listen_port + 1]
    }
}

/// All brokers, and the container's own port.
#[derive(Debug)]
pub(super) struct Members {
    own_port: i32,
    all: Vec<Member>,
}

impl Members {
    pub fn new(own_port: i32) -> Self {
        Members { own_port, all: Vec::new() }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.all.iter()
    }

    pub fn insert(&mut self, member: Member) {
        self.all.push(member);
    }

    pub fn remove(&mut self, kind: Kind, identity: &Identity) -> Option<Member> {
        let at = self.all.iter().position(|m| m.kind == kind && m.identity == *identity)?;
        Some(self.all.remove(at))
    }

    pub fn get_mut(&mut self, kind: Kind, identity: &Identity) -> Option<&mut Member> {
        self.all.iter_mut().find(|m| m.kind == kind && m.identity == *identity)
    }

    pub fn holds(&self, kind: Kind, identity: &Identity) -> bool {
        self.all.iter().any(|m| m.kind == kind && m.identity == *identity)
    }

    /// Looks among DLedger brokers, then slaves, then masters. A broker with a controller is found by the id of its file,
    /// as the reference has it, and by the one it has now: `mqadmin` takes no negative ids, and the file's is -1.
    pub fn find(&self, identity: &Identity) -> Option<&Member> {
        let exact = self.all.iter().filter(|m| m.identity == *identity).min_by_key(|m| m.kind);
        let now = |m: &&Member| {
            let Identity { cluster, name, id } = identity;
            m.identity.cluster == *cluster && m.identity.name == *name && m.elected_id == Some(*id)
        };
        exact.or_else(|| self.all.iter().find(now))
    }

    pub fn at(&mut self, place: Place) -> Option<&mut Member> {
        self.all.iter_mut().find(|m| m.place == Some(place))
    }

    /// The first port of a newcomer that is taken, and by whom.
    pub fn port_clash(&self, newcomer: &Member) -> Option<(i32, String)> {
        let own = [self.own_port, self.own_port - 2];
        newcomer.ports().into_iter().find_map(|port| {
            if own.contains(&port) {
                return Some((port, "the container".to_owned()));
            }
            let holder = self.all.iter().find(|m| m.ports().contains(&port))?;
            Some((port, holder.identity.to_string()))
        })
    }

    /// The first folder of a newcomer that another broker has.
    pub fn folder_clash(&self, newcomer: &Member) -> Option<(String, String)> {
        newcomer.folders.iter().find_map(|folder| {
            let holder = self.all.iter().find(|m| m.folders.contains(folder))?;
            Some((folder.clone(), holder.identity.to_string()))
        })
    }
}

/// A path without the parts that name nothing, so that equal folders compare equal; links are not followed.
pub(super) fn plain_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}
