//! What is to be written, in parts of which each goes in one call; a part that is refused as a whole is halved.

/// Parts in their order.
pub(super) struct Parts<'a, T> {
    /// The next one is last.
    rest: Vec<&'a [T]>,
}

impl<'a, T> Parts<'a, T> {
    pub(super) fn new(parts: impl Iterator<Item = &'a [T]>) -> Self {
        let mut rest: Vec<&[T]> = parts.collect();
        rest.reverse();
        Self { rest }
    }

    pub(super) fn next(&mut self) -> Option<&'a [T]> {
        self.rest.pop()
    }

    /// Puts a part back in two halves; false for one that has no halves.
    pub(super) fn halve(&mut self, part: &'a [T]) -> bool {
        if part.len() < 2 {
            return false;
        }
        let (first, second) = part.split_at(part.len() / 2);
        self.rest.extend([second, first]);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_halved_down_to_the_one_entry_that_is_at_fault_and_the_order_stays() {
        let all: Vec<u32> = (0..11).collect();
        let mut parts = Parts::new(all.chunks(6));
        let (mut taken, mut alone, mut calls) = (Vec::new(), Vec::new(), 0);
        while let Some(part) = parts.next() {
            calls += 1;
            if !part.contains(&4) {
                taken.extend_from_slice(part);
            } else if !parts.halve(part) {
                alone.extend_from_slice(part);
                taken.extend_from_slice(part);
            }
        }
        assert_eq!((taken, alone), (all, vec![4]));
        assert_eq!(calls, 8, "6, 3, 3, 1, 2, 1, 1 and the other 5");
    }
}
