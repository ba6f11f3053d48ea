//! What a simulated disk holds, for running programs and for the next start.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SimConfig;
use super::memory::Memory;
use crate::disk::Entry;

const SECTOR: usize = 512;
/// Space is taken in units of this many bytes.
const BLOCK: usize = 4096;
/// Of more bytes than these, only those with space are looked at: a large file is a hole for the most part.
const LARGE: usize = 1 << 20;

/// A file, or a directory, under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Dir,
    File(u64),
}

#[derive(Debug)]
struct FileState {
    memory: Arc<Memory>,
    /// What the device has; its length is the durable size.
    durable: Vec<u8>,
    /// Blocks that have space.
    blocks: BTreeSet<usize>,
    /// Sectors a failed sync has dropped, with the content they had then: not written until changed again.
    dropped: HashMap<usize, Vec<u8>>,
    modified_ms: i64,
}

/// A change of names.
#[derive(Clone, Debug)]
enum NameChange {
    Link(PathBuf, Node),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl NameChange {
    /// The same change after a directory above its names got another name.
    fn follow(&mut self, from: &Path, to: &Path) {
        let moved = |path: &mut PathBuf| {
            if let Ok(rest) = path.strip_prefix(from)
                && !rest.as_os_str().is_empty()
            {
                *path = to.join(rest);
            }
        };
        match self {
            NameChange::Link(path, _) | NameChange::Unlink(path) => moved(path),
            NameChange::Rename(one, other) => {
                moved(one);
                moved(other);
            }
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        let below = |path: &Path| path.parent() == Some(dir);
        match self {
            NameChange::Link(path, _) | NameChange::Unlink(path) => below(path),
            NameChange::Rename(from, to) => below(from) || below(to),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            NameChange::Link(path, node) => {
                names.insert(path.clone(), *node);
            }
            NameChange::Unlink(path) => names.retain(|name, _| !name.starts_with(path)),
            NameChange::Rename(from, to) => {
                let moved: Vec<PathBuf> =
                    names.keys().filter(|name| name.starts_with(from)).cloned().collect();
                for name in moved {
                    let Some(node) = names.remove(&name) else { continue };
                    let rest = name.strip_prefix(from).unwrap_or(Path::new(""));
                    let target = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                    names.insert(target, node);
                }
            }
        }
    }
}

/// What a crash leaves: names, and contents by number.
type Remains = (BTreeMap<PathBuf, Node>, BTreeMap<u64, (Vec<u8>, BTreeSet<usize>, i64)>);

#[derive(Debug)]
pub(super) struct State {
    pub config: SimConfig,
    pub operations: u64,
    pub crash_at: Option<u64>,
    /// How often the disk was started.
    pub start: u64,
    pub locks: BTreeSet<PathBuf>,
    pub wall_ms: i64,
    dice: u64,
    next_file: u64,
    files: BTreeMap<u64, FileState>,
    names: BTreeMap<PathBuf, Node>,
    durable_names: BTreeMap<PathBuf, Node>,
    pending: Vec<NameChange>,
    remains: Option<Remains>,
}

/// What every operation says while the power is off.
pub(super) fn off() -> io::Error {
    io::Error::other("the simulated disk is off")
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn sectors(from: usize, to: usize) -> std::ops::Range<usize> {
    from / SECTOR..to.div_ceil(SECTOR)
}

/// Gives a durable file its size. A large one that holds nothing yet costs nothing.
fn grow(durable: &mut Vec<u8>, len: usize) {
    if durable.is_empty() {
        *durable = vec![0; len];
    } else {
        durable.resize(len, 0);
    }
}

/// What a process maps of a durable file.
fn restored(durable: &[u8], blocks: &BTreeSet<usize>) -> Memory {
    if durable.len() <= LARGE {
        return Memory::from_bytes(durable, durable.len());
    }
    let memory = Memory::zeroed(durable.len());
    for at in blocks.iter().map(|block| block * BLOCK).filter(|at| *at < durable.len()) {
        memory.fill_at(at, &durable[at..(at + BLOCK).min(durable.len())]);
    }
    memory
}

impl State {
    pub fn new(config: SimConfig) -> Self {
        State {
            config,
            operations: 0,
            crash_at: None,
            start: 0,
            locks: BTreeSet::new(),
            wall_ms: 0,
            dice: config.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            next_file: 0,
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending: Vec::new(),
            remains: None,
        }
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) % sides.max(1)
    }

    pub fn is_off(&self) -> bool {
        self.remains.is_some()
    }

    /// Counts an operation; the power may fail before it, and the kernel may write something back.
    pub fn operation(&mut self) -> io::Result<()> {
        if self.is_off() {
            return Err(off());
        }
        if self.crash_at == Some(self.operations) {
            self.power_off();
            return Err(off());
        }
        self.operations += 1;
        if self.roll(16) == 0 {
            self.write_back_something();
        }
        Ok(())
    }

    fn write_back_something(&mut self) {
        let pick = self.roll(self.files.len() as u64);
        let Some(file) = self.files.keys().nth(pick as usize).copied() else { return };
        let odds = 1 + self.roll(4);
        let dirty = self.dirty(file, 0, usize::MAX);
        for sector in dirty {
            if self.roll(odds) == 0 {
                self.write_sector(file, sector);
            }
        }
    }

    /// Sectors of a range that differ from the device and are still to be written.
    fn dirty(&self, file: u64, from: usize, to: usize) -> Vec<usize> {
        let Some(file) = self.files.get(&file) else { return Vec::new() };
        let live = file.memory.bytes();
        let changed = |sector: &usize| {
            let (from, to) = (sector * SECTOR, (sector * SECTOR + SECTOR).min(live.len()));
            let old = file.durable.get(from..to.min(file.durable.len())).unwrap_or(&[]);
            let new = &live[from..to];
            let same = new.starts_with(old) && new[old.len()..].iter().all(|b| *b == 0);
            if same || file.dropped.get(sector).is_some_and(|content| content == new) {
                return false;
            }
            let block = from / BLOCK;
            assert!(
                file.blocks.contains(&block),
                "bytes without space were written: a SIGBUS on a full disk"
            );
            true
        };
        let (from, to) = (from.min(live.len()), to.min(live.len()));
        if to - from <= LARGE {
            return sectors(from, to).filter(changed).collect();
        }
        let blocks = file.blocks.range(from / BLOCK..to.div_ceil(BLOCK));
        let parts = blocks.map(|block| (from.max(block * BLOCK), to.min(block * BLOCK + BLOCK)));
        parts.flat_map(|(from, to)| sectors(from, to)).filter(changed).collect()
    }

    fn write_sector(&mut self, file: u64, sector: usize) {
        let Some(file) = self.files.get_mut(&file) else { return };
        let live = file.memory.bytes();
        let (from, to) = (sector * SECTOR, (sector * SECTOR + SECTOR).min(live.len()));
        // contents can reach the device before the size does; what lies behind the durable size is lost then
        let end = to.min(file.durable.len());
        if from < end {
            file.durable[from..end].copy_from_slice(&live[from..end]);
        }
    }

    pub fn sync(&mut self, file: u64, from: usize, to: usize) -> io::Result<()> {
        let dirty = self.dirty(file, from, to);
        let fails = self.config.sync_failures > 0 && self.roll(self.config.sync_failures) == 0;
        let wall_ms = self.wall_ms;
        // a mapping outlives the name of its file; there is nothing left to keep then
        let Some(state) = self.files.get_mut(&file) else { return Ok(()) };
        if !dirty.is_empty() {
            state.modified_ms = wall_ms;
        }
        if !fails {
            grow(&mut state.durable, state.memory.len());
            dirty.into_iter().for_each(|sector| self.write_sector(file, sector));
            return Ok(());
        }
        for sector in dirty {
            if self.roll(2) == 0 {
                self.write_sector(file, sector);
            } else if let Some(state) = self.files.get_mut(&file) {
                let live = state.memory.bytes();
                let content = live[sector * SECTOR..(sector * SECTOR + SECTOR).min(live.len())].to_vec();
                state.dropped.insert(sector, content);
            }
        }
        Err(io::Error::from_raw_os_error(libc::EIO))
    }

    pub fn file(&self, path: &Path) -> io::Result<(u64, Arc<Memory>, u64)> {
        match self.names.get(path) {
            Some(Node::File(number)) => {
                let file = self.files.get(number).ok_or_else(not_found)?;
                Ok((*number, file.memory.clone(), file.memory.len() as u64))
            }
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(not_found()),
        }
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending.push(change);
        let used: BTreeSet<u64> = self
            .names
            .values()
            .chain(self.durable_names.values())
            .filter_map(|node| if let Node::File(number) = node { Some(*number) } else { None })
            .collect();
        let pending: BTreeSet<u64> = self
            .pending
            .iter()
            .filter_map(
                |change| if let NameChange::Link(_, Node::File(n)) = change { Some(*n) } else { None },
            )
            .collect();
        self.files.retain(|number, _| used.contains(number) || pending.contains(number));
    }

    pub fn create_dirs(&mut self, dir: &Path) -> io::Result<()> {
        let mut missing: Vec<PathBuf> = Vec::new();
        for path in dir.ancestors() {
            match self.names.get(path) {
                Some(Node::Dir) => break,
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => missing.push(path.to_path_buf()),
            }
        }
        for path in missing.into_iter().rev() {
            if path.parent().is_none() {
                // the root of the file system is always there
                self.names.insert(path.clone(), Node::Dir);
                self.durable_names.insert(path, Node::Dir);
            } else {
                self.change(NameChange::Link(path, Node::Dir));
            }
        }
        Ok(())
    }

    /// Opens or creates a file and gives it a size.
    pub fn create_file(&mut self, path: &Path, len: usize) -> io::Result<()> {
        match self.names.get(path) {
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            Some(Node::File(number)) => {
                let wall_ms = self.wall_ms;
                if let Some(file) = self.files.get_mut(number)
                    && file.memory.len() != len
                {
                    file.memory = Arc::new(Memory::from_bytes(file.memory.bytes(), len));
                    file.modified_ms = wall_ms;
                }
                Ok(())
            }
            None => {
                if path.parent().is_none_or(|dir| self.names.get(dir) != Some(&Node::Dir)) {
                    return Err(not_found());
                }
                self.next_file += 1;
                let file = FileState {
                    memory: Arc::new(Memory::zeroed(len)),
                    durable: Vec::new(),
                    blocks: BTreeSet::new(),
                    dropped: HashMap::new(),
                    modified_ms: self.wall_ms,
                };
                self.files.insert(self.next_file, file);
                self.change(NameChange::Link(path.to_path_buf(), Node::File(self.next_file)));
                Ok(())
            }
        }
    }

    /// Bytes taken by the files that have a name.
    pub fn used(&self) -> u64 {
        let named = self.names.values().filter_map(|node| match node {
            Node::File(number) => self.files.get(number),
            Node::Dir => None,
        });
        named.map(|file| (file.blocks.len() * BLOCK) as u64).sum()
    }

    pub fn allocate(&mut self, path: &Path, from: u64, to: u64) -> io::Result<()> {
        let (number, _, size) = self.file(path)?;
        let (from, to) = (from as usize / BLOCK, (to.min(size) as usize).div_ceil(BLOCK));
        for block in from..to {
            let room = self.used() + BLOCK as u64 <= self.config.space;
            let Some(file) = self.files.get_mut(&number) else { return Err(not_found()) };
            if !file.blocks.contains(&block) {
                if !room {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                file.blocks.insert(block);
            }
        }
        Ok(())
    }

    pub fn next_data(&self, path: &Path, from: u64) -> io::Result<Option<u64>> {
        let (number, memory, _) = self.file(path)?;
        let (bytes, from) = (memory.bytes(), from as usize);
        let blocks = self.files.get(&number).into_iter().flat_map(|file| file.blocks.range(from / BLOCK..));
        let mut parts = blocks.map(|block| {
            let start = from.max(block * BLOCK).min(bytes.len());
            (start, &bytes[start..(block * BLOCK + BLOCK).min(bytes.len())])
        });
        Ok(parts.find_map(|(start, part)| Some((start + part.iter().position(|b| *b != 0)?) as u64)))
    }

    fn describe(&self, path: &Path, node: Node) -> Entry {
        let file = match node {
            Node::File(number) => self.files.get(&number),
            Node::Dir => None,
        };
        Entry {
            path: path.to_path_buf(),
            is_dir: node == Node::Dir,
            len: file.map_or(0, |file| file.memory.len() as u64),
            modified_ms: file.map_or(0, |file| file.modified_ms),
        }
    }

    pub fn entry(&self, path: &Path) -> Option<Entry> {
        self.names.get(path).map(|node| self.describe(path, *node))
    }

    pub fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        if let Some(Node::File(_)) = self.names.get(dir) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let below = self.names.range(dir.to_path_buf()..).take_while(|(path, _)| path.starts_with(dir));
        let direct = below.filter(|(path, _)| path.parent() == Some(dir));
        Ok(direct.map(|(path, node)| self.describe(path, *node)).collect())
    }

    pub fn deepest_below(&self, path: &Path) -> Option<PathBuf> {
        let below = self.names.keys().filter(|name| name.starts_with(path));
        below.max_by_key(|name| name.components().count()).cloned()
    }

    pub fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        if self.names.get(dir) != Some(&Node::Dir) {
            return Err(not_found());
        }
        let pending = std::mem::take(&mut self.pending);
        let mut rest: Vec<NameChange> = Vec::new();
        for (at, change) in pending.iter().enumerate() {
            // A change belongs to its directory, not to that directory's name at the time, which another may have now.
            let mut today = change.clone();
            for later in &pending[at + 1..] {
                if let NameChange::Rename(from, to) = later {
                    today.follow(from, to);
                }
            }
            if !today.is_in(dir) {
                rest.push(change.clone());
                continue;
            }
            change.apply(&mut self.durable_names);
            if let NameChange::Rename(from, to) = change {
                rest.iter_mut().for_each(|earlier| earlier.follow(from, to));
            }
        }
        self.pending = rest;
        Ok(())
    }

    pub fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if !self.names.contains_key(from) {
            return Err(not_found());
        }
        self.change(NameChange::Rename(from.to_path_buf(), to.to_path_buf()));
        Ok(())
    }

    pub fn remove(&mut self, path: &Path) -> io::Result<()> {
        if self.names.contains_key(path) {
            self.change(NameChange::Unlink(path.to_path_buf()));
        }
        Ok(())
    }

    /// Fixes what the next start will find.
    pub fn power_off(&mut self) {
        if self.is_off() {
            return;
        }
        let mut names = self.durable_names.clone();
        let pending = self.pending.clone();
        if self.roll(2) == 0 {
            let kept = self.roll(pending.len() as u64 + 1) as usize;
            pending[..kept].iter().for_each(|change| change.apply(&mut names));
        } else {
            for change in &pending {
                if self.roll(2) == 0 {
                    change.apply(&mut names);
                }
            }
        }
        // a name without its directory cannot be reached
        let all = names.clone();
        names.retain(|path, _| path.ancestors().skip(1).all(|dir| all.get(dir) == Some(&Node::Dir)));
        let mut contents = BTreeMap::new();
        let numbers: Vec<u64> = self.files.keys().copied().collect();
        let odds = self.roll(5);
        for number in numbers {
            // the size reaches the device with a sync, or by chance
            let grows = self.roll(2) == 0;
            if let Some(file) = self.files.get_mut(&number)
                && grows
            {
                grow(&mut file.durable, file.memory.len());
            }
            for sector in self.dirty(number, 0, usize::MAX) {
                if self.roll(4) < odds {
                    self.write_sector(number, sector);
                }
            }
            // nothing is read or written any more
            if let Some(file) = self.files.get_mut(&number) {
                let (durable, blocks) = (std::mem::take(&mut file.durable), std::mem::take(&mut file.blocks));
                contents.insert(number, (durable, blocks, file.modified_ms));
            }
        }
        self.remains = Some((names, contents));
    }

    pub fn power_on(&mut self) {
        self.power_off();
        let Some((names, contents)) = self.remains.take() else { return };
        self.start += 1;
        self.crash_at = None;
        self.locks.clear();
        self.pending.clear();
        self.durable_names = names.clone();
        self.names = names;
        let restore = |(durable, blocks, modified_ms): (Vec<u8>, BTreeSet<usize>, i64)| FileState {
            memory: Arc::new(restored(&durable, &blocks)),
            durable,
            blocks,
            dropped: HashMap::new(),
            modified_ms,
        };
        self.files = contents.into_iter().map(|(number, content)| (number, restore(content))).collect();
        let used: BTreeSet<u64> = self
            .names
            .values()
            .filter_map(|node| if let Node::File(number) = node { Some(*number) } else { None })
            .collect();
        self.files.retain(|number, _| used.contains(number));
    }

    pub fn copy(&self) -> State {
        let mut copy = State::new(self.config);
        copy.next_file = self.next_file;
        copy.names = self.names.clone();
        copy.durable_names = self.names.clone();
        let named = |number: &u64| self.names.values().any(|node| *node == Node::File(*number));
        for (number, file) in self.files.iter().filter(|(number, _)| named(number)) {
            let bytes = file.memory.bytes();
            let state = FileState {
                memory: Arc::new(Memory::from_bytes(bytes, bytes.len())),
                durable: bytes.to_vec(),
                blocks: file.blocks.clone(),
                dropped: HashMap::new(),
                modified_ms: file.modified_ms,
            };
            copy.files.insert(*number, state);
        }
        copy
    }
}
