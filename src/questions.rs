//! Questions to a task that owns something: they are answered between two of its turns, and touch nothing.

use tokio::sync::{mpsc, oneshot};

/// How many may wait; whoever asks then waits as well.
const WAITING: usize = 64;

type Question<T> = Box<dyn FnOnce(&T) + Send>;

/// Where a task takes its questions from.
#[derive(Debug)]
pub struct Questions<T>(mpsc::Receiver<Question<T>>);

/// Whoever may ask.
#[derive(Debug)]
pub struct Asker<T>(mpsc::Sender<Question<T>>);

impl<T> Clone for Asker<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Both ends.
pub fn channel<T>() -> (Asker<T>, Questions<T>) {
    let (asker, questions) = mpsc::channel(WAITING);
    (Asker(asker), Questions(questions))
}

impl<T> Asker<T> {
    /// What the owner's thing says to this; none where the task has ended.
    pub async fn ask<A: Send + 'static>(&self, question: impl FnOnce(&T) -> A + Send + 'static) -> Option<A> {
        let (answer, answered) = oneshot::channel();
        let question: Question<T> = Box::new(move |thing| {
            // Whoever asked may have gone.
            let _ = answer.send(question(thing));
        });
        self.0.send(question).await.ok()?;
        answered.await.ok()
    }
}

impl<T> Questions<T> {
    /// The next question; waits for ever once nobody is left to ask.
    pub async fn next(&mut self) -> impl FnOnce(&T) + use<T> {
        match self.0.recv().await {
            Some(question) => question,
            None => std::future::pending().await,
        }
    }

    /// Whether any wait.
    pub fn are_open(&self) -> bool {
        !self.0.is_empty()
    }

    /// Answers what waits.
    pub fn answer(&mut self, thing: &T) {
        while let Ok(question) = self.0.try_recv() {
            question(thing);
        }
    }
}
