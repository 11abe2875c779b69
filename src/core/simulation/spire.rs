//! SPIRE as the writer sees it: entries by id, and every way in which a call can fail.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::rc::Rc;

use super::outside::PodId;
use super::rules::Texts;
use super::schedule::Fault;
use crate::entry::{Entry, EntryId};
use crate::mirror::Observed;

/// How many entries a page has.
const PAGE: usize = 3;

/// For whom an entry of ours was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub pod: PodId,
    pub identity: u8,
    /// Which of those that the identity gives the pod.
    pub slot: u8,
}

/// One entry.
#[derive(Debug, Clone)]
pub struct Row {
    pub texts: Texts,
    pub entry: Rc<Entry>,
    /// As a list tells it.
    pub observed: Observed,
    /// None for an entry that others made.
    pub owner: Option<Owner>,
}

/// Entries by id.
pub type Rows = BTreeMap<EntryId, Rc<Row>>;

/// Why a call gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallError {
    /// It was refused, and nothing of it done.
    Refused,
    /// It was refused because so much is not taken at once.
    TooLarge,
    /// Nobody knows what of it was done.
    Unknown,
    /// The process that made it is no more.
    Killed,
}

/// What became of one entry of a batch.
#[derive(Debug, Clone)]
pub enum Answer {
    Done,
    NotFound,
    /// An entry with this key exists.
    Similar(Observed),
    /// An entry with this id exists.
    IdTaken,
    Refused,
}

/// One entry of a batch.
#[derive(Debug, Clone)]
pub enum Wish {
    Create(EntryId, Entry, Owner),
    Update(EntryId, Entry),
    Delete(EntryId),
}

/// The server.
#[derive(Debug, Default)]
pub struct Spire {
    pub rows: Rows,
    /// Every id that it ever held.
    pub used: BTreeSet<EntryId>,
    pub backup: Option<Rows>,
    pub is_down: bool,
    /// After how many calls, and how, a call fails.
    pub faults: Vec<(u8, Fault)>,
    /// Each call whose number this divides is refused.
    pub refuses_each: Option<u8>,
    /// For how many calls more a batch may have one entry only.
    pub takes_one: u8,
    /// Whose entries are refused, and for how many calls more.
    pub refused: Option<(u8, u8)>,
    /// After how many calls the process that calls is killed, and whether that call is done.
    pub kill: Option<(u8, bool)>,
    /// Calls that nobody waits for any more, and after how many calls each is done all the same.
    pub late: Vec<(u8, Vec<Wish>)>,
    /// One of them was done.
    pub came_late: bool,
    /// Calls that were made, and entries that were written.
    pub calls: u64,
    pub writes: u64,
}

impl Spire {
    /// The entries after this one, as many as a page has, and whether there are more; or an error.
    pub fn list(&mut self, after: Option<&EntryId>) -> Result<(Rows, bool), CallError> {
        self.read()?;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.rows.range::<EntryId, _>((from, Bound::Unbounded));
        let page = rest.by_ref().take(PAGE).map(|(id, row)| (id.clone(), row.clone())).collect();
        Ok((page, rest.next().is_some()))
    }

    /// One entry; none where there is none of this id.
    pub fn get(&mut self, id: &EntryId) -> Result<Option<Rc<Row>>, CallError> {
        self.read()?;
        Ok(self.rows.get(id).cloned())
    }

    /// What comes before every call that writes nothing.
    fn read(&mut self) -> Result<(), CallError> {
        self.begin();
        if self.is_killed().is_some() {
            return Err(CallError::Killed);
        }
        if self.is_down {
            return Err(CallError::Unknown);
        }
        match self.fault() {
            Some(Fault::List | Fault::LostBefore | Fault::LostAfter(_) | Fault::Late(_)) => {
                Err(CallError::Unknown)
            }
            Some(Fault::Call) => Err(CallError::Refused),
            Some(Fault::Entry | Fault::TooLarge(_) | Fault::Identity(..)) | None => Ok(()),
        }
    }

    /// A call comes in, and some that came before are done only now.
    fn begin(&mut self) {
        self.calls += 1;
        self.takes_one = self.takes_one.saturating_sub(1);
        self.refused = self.refused.and_then(|(whose, calls)| Some((whose, calls.checked_sub(1)?)));
        self.late.iter_mut().for_each(|(after, _)| *after = after.saturating_sub(1));
        let due = self.late.extract_if(.., |(after, _)| *after == 0);
        let due: Vec<Wish> = due.flat_map(|(_, batch)| batch).collect();
        self.carry_out_late(&due);
    }

    /// What nobody waits for any more is done all the same.
    pub fn carry_out_late(&mut self, batch: &[Wish]) {
        self.came_late |= !batch.is_empty();
        batch.iter().for_each(|wish| drop(self.carry_out(wish)));
    }

    /// All calls that were made are done by now.
    pub fn catch_up(&mut self) {
        let late: Vec<Wish> = self.late.drain(..).flat_map(|(_, batch)| batch).collect();
        self.carry_out_late(&late);
    }

    /// Writes a batch; one answer for each.
    pub fn write(&mut self, batch: &[Wish]) -> Result<Vec<Answer>, CallError> {
        self.begin();
        if let Some(done) = self.is_killed() {
            if done {
                batch.iter().for_each(|wish| drop(self.carry_out(wish)));
            }
            return Err(CallError::Killed);
        }
        if self.is_down {
            return Err(CallError::Refused);
        }
        match self.fault() {
            Some(Fault::Call) => Err(CallError::Refused),
            Some(Fault::LostBefore | Fault::List) => Err(CallError::Unknown),
            Some(Fault::Late(after)) => {
                // The next call comes before it is done.
                self.late.push((after.saturating_add(2), batch.to_vec()));
                Err(CallError::Unknown)
            }
            Some(Fault::LostAfter(count)) => {
                batch.iter().take(1 + usize::from(count)).for_each(|wish| drop(self.carry_out(wish)));
                Err(CallError::Unknown)
            }
            _ if batch.len() > 1 && self.takes_one > 0 => Err(CallError::TooLarge),
            fault => {
                let mut refused = fault == Some(Fault::Entry);
                let mut one = |wish: &Wish| match std::mem::take(&mut refused) || self.refuses(wish) {
                    true => Answer::Refused,
                    false => self.carry_out(wish),
                };
                Ok(batch.iter().map(&mut one).collect())
            }
        }
    }

    /// Deletes are never refused for what the entry is.
    fn refuses(&self, wish: &Wish) -> bool {
        let owner = match wish {
            Wish::Create(_, _, owner) => Some(*owner),
            Wish::Update(id, _) => self.rows.get(id).and_then(|row| row.owner),
            Wish::Delete(_) => None,
        };
        owner.zip(self.refused).is_some_and(|(owner, (identity, _))| owner.identity == identity)
    }

    /// Everything works from now on.
    pub fn mend(&mut self) {
        self.is_down = false;
        self.faults.clear();
        self.kill = None;
        (self.refuses_each, self.takes_one, self.refused) = (None, 0, None);
        self.catch_up();
    }

    fn is_killed(&mut self) -> Option<bool> {
        match &mut self.kill {
            Some((0, done)) => {
                let done = *done;
                self.kill = None;
                Some(done)
            }
            Some((calls, _)) => {
                *calls -= 1;
                None
            }
            None => None,
        }
    }

    fn fault(&mut self) -> Option<Fault> {
        if self.refuses_each.is_some_and(|each| self.calls.is_multiple_of(each.into())) {
            return Some(Fault::Call);
        }
        let due = self.faults.iter().position(|(after, _)| *after == 0);
        self.faults.iter_mut().for_each(|(after, _)| *after = after.saturating_sub(1));
        let fault = due.map(|at| self.faults.remove(at).1);
        match fault {
            Some(Fault::TooLarge(calls)) => self.takes_one = calls,
            Some(Fault::Identity(identity, calls)) => self.refused = Some((identity, calls)),
            _ => {}
        }
        fault
    }

    /// What SPIRE does with one entry: of the keys it looks at creates only.
    pub fn carry_out(&mut self, wish: &Wish) -> Answer {
        match wish {
            Wish::Create(id, entry, owner) => {
                let row = Rc::new(Row::of(id, entry, Some(*owner)));
                if let Some(similar) = self.rows.values().find(|it| it.texts.key == row.texts.key) {
                    // Our own, from a call whose answer was lost.
                    let is_it = similar.observed.id == *id && similar.texts == row.texts;
                    return if is_it { Answer::Done } else { Answer::Similar(similar.observed.clone()) };
                }
                if self.rows.contains_key(id) {
                    return Answer::IdTaken;
                }
                self.used.insert(id.clone());
                self.rows.insert(id.clone(), row);
            }
            Wish::Update(id, entry) => {
                let Some(row) = self.rows.get(id) else { return Answer::NotFound };
                let row = Row::of(id, entry, row.owner);
                self.rows.insert(id.clone(), Rc::new(row));
            }
            Wish::Delete(id) => {
                if self.rows.remove(id).is_none() {
                    return Answer::NotFound;
                }
            }
        }
        self.writes += 1;
        Answer::Done
    }
}

impl Row {
    pub fn of(id: &EntryId, entry: &Entry, owner: Option<Owner>) -> Self {
        Self {
            texts: Texts::of(entry),
            entry: Rc::new(entry.clone()),
            observed: Observed::of(id.clone(), entry),
            owner,
        }
    }
}
