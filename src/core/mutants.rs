//! Defects on demand: this crate's own tests switch one on and see that the simulation finds it. Nowhere else can one be on.

#[cfg(test)]
use std::cell::Cell;

/// A defect that the code has while it is switched on; each is a rule broken in one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// A cluster that falls silent counts as one without pods.
    DeleteOnSilence,
    /// A pod that cannot be read counts as one that is gone.
    DeleteUnreadable,
    /// What no known identity can have made is deleted.
    DeleteOrphans,
    /// An object that a list lacks counts as deleted.
    MissingIsDeleted,
    /// One of the two lists of our own objects is enough to begin.
    BeginTooEarly,
    /// What an identity has that is only tried is deleted.
    DeleteFrozen,
    /// A pod that does not get what it is to have loses what it has.
    DeleteFirst,
    /// Nothing is ever beyond a budget.
    ForgetBrake,
    /// A released plan stays held.
    ForgetReleased,
    /// Whatever was released, every plan is.
    ReleaseAnything,
    /// Whoever was masked once stays so when the other goes.
    DropMaskedSuccessor,
    /// An id is made of cluster, identity and pod alone, so that it comes back.
    ReuseId,
    /// After a lost answer the writer goes on as if nothing had been done.
    IgnoreUnknownOutcome,
    /// An entry that SPIRE was asked for and has not is left as it was known.
    AbsentStands,
    /// One change in [`LOSE_ONE_IN`] does not reach the index.
    LoseEvents,
    /// What is in place is written again.
    WriteWithoutNeed,
    /// What could be updated in place is made anew.
    MakeAnew,
    /// An id of another registrar, whose prefix begins with ours, is taken for ours.
    ForeignIsOurs,
    /// A node that comes back with another uid concerns nobody.
    ForgetNodesPods,
    /// A namespace's new labels concern nobody.
    ForgetNamespacesPods,
    /// A Service's endpoints concern nobody.
    ForgetEndpoints,
    /// A pod that is gone is wanted for ever.
    Resurrect,
    /// What a complete list shows to be altered is left so.
    IgnoreDrift,
    /// While pods are left to be derived, it counts as known what all are to have.
    SettledTooEarly,
    /// A refused write is never tried again.
    NeverRetry,
    /// What an ended connection still tells is believed.
    HearEndedSessions,
    /// An identity's finalizer goes while entries of it are left.
    ReleaseTooEarly,
    /// A plugin that has not spoken counts as one that leaves the pod to others.
    SilenceIsSkip,
    /// Until a plugin has spoken of new facts, what it said of others counts.
    StaleAnswer,
    /// A pod that was asked about once is never asked about again.
    ForgetQuestion,
    /// A pod whose plugin cannot decide loses what it has.
    FailureIsDenial,
    /// A plugin that can be asked now concerns nobody.
    ForgetPluginsPods,
    /// A fallback does not wait for a plugin that may yet leave the pod to it.
    FallbackWhileAsked,
    /// Of the pods that share a question, one hears the answer.
    AnswerOne,
    /// What nobody depends on any more is kept.
    KeepAnswers,
    /// An edit reaches every cluster at once.
    RolloutEverywhere,
    /// A wave's clusters are not looked at before the next.
    RolloutInBlindFlight,
    /// A wave follows the other at once.
    RolloutWithoutPause,
    /// Clusters that a wave reaches go on as before.
    RolloutReachesNobody,
}

/// Of so many changes [`Mutant::LoseEvents`] loses one.
pub(crate) const LOSE_ONE_IN: u64 = 10_000;

#[cfg(test)]
thread_local! {
    static ON: Cell<Option<Mutant>> = const { Cell::new(None) };
    static CHANGES: Cell<u64> = const { Cell::new(0) };
}

/// Whether the code is to have this defect now.
#[cfg(test)]
pub(crate) fn is_on(mutant: Mutant) -> bool {
    ON.get() == Some(mutant)
}

/// Whether the code is to have this defect now: never.
#[cfg(not(test))]
pub(crate) const fn is_on(_: Mutant) -> bool {
    false
}

/// Whether the next change is one of those that are lost.
pub(crate) fn loses_this_one() -> bool {
    is_on(Mutant::LoseEvents) && count_change().is_multiple_of(LOSE_ONE_IN)
}

#[cfg(test)]
fn count_change() -> u64 {
    CHANGES.set(CHANGES.get() + 1);
    CHANGES.get()
}

#[cfg(not(test))]
const fn count_change() -> u64 {
    1
}

/// Does something while one defect is on, in this thread alone.
#[cfg(test)]
pub(crate) fn with<T>(mutant: Mutant, run: impl FnOnce() -> T) -> T {
    ON.set(Some(mutant));
    CHANGES.set(0);
    let result = run();
    ON.set(None);
    result
}

/// All of them.
#[cfg(test)]
pub(crate) const ALL: [Mutant; 39] = [
    Mutant::DeleteOnSilence,
    Mutant::DeleteUnreadable,
    Mutant::DeleteOrphans,
    Mutant::MissingIsDeleted,
    Mutant::BeginTooEarly,
    Mutant::DeleteFrozen,
    Mutant::DeleteFirst,
    Mutant::ForgetBrake,
    Mutant::ForgetReleased,
    Mutant::ReleaseAnything,
    Mutant::DropMaskedSuccessor,
    Mutant::ReuseId,
    Mutant::IgnoreUnknownOutcome,
    Mutant::AbsentStands,
    Mutant::LoseEvents,
    Mutant::WriteWithoutNeed,
    Mutant::MakeAnew,
    Mutant::ForeignIsOurs,
    Mutant::ForgetNodesPods,
    Mutant::ForgetNamespacesPods,
    Mutant::ForgetEndpoints,
    Mutant::Resurrect,
    Mutant::IgnoreDrift,
    Mutant::SettledTooEarly,
    Mutant::NeverRetry,
    Mutant::HearEndedSessions,
    Mutant::ReleaseTooEarly,
    Mutant::SilenceIsSkip,
    Mutant::StaleAnswer,
    Mutant::ForgetQuestion,
    Mutant::FailureIsDenial,
    Mutant::ForgetPluginsPods,
    Mutant::FallbackWhileAsked,
    Mutant::AnswerOne,
    Mutant::KeepAnswers,
    Mutant::RolloutEverywhere,
    Mutant::RolloutInBlindFlight,
    Mutant::RolloutWithoutPause,
    Mutant::RolloutReachesNobody,
];
