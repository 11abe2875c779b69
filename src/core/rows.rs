//! Rows that are found by their numbers.

/// How many rows are made room for together.
const PIECE: usize = 64;

/// A list of rows in pieces: it grows without being moved, and without room for as many again.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    pieces: Vec<Box<[Option<T>]>>,
    /// Numbers below `next` that have no row.
    free: Vec<u32>,
    /// This number and those above never had a row.
    next: u32,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { pieces: Vec::new(), free: Vec::new(), next: 0 }
    }
}

impl<T> Rows<T> {
    /// Adds a row; its number.
    pub(crate) fn insert(&mut self, row: T) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        if self.pieces.len() <= number as usize / PIECE {
            self.pieces.push(std::iter::repeat_with(|| None).take(PIECE).collect());
        }
        if let Some(place) = self.place(number) {
            *place = Some(row);
        }
        number
    }

    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.pieces.get(number as usize / PIECE)?.get(number as usize % PIECE)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.place(number)?.as_mut()
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let row = self.place(number)?.take()?;
        self.free.push(number);
        if self.len() == 0 {
            *self = Self::default();
        }
        Some(row)
    }

    pub(crate) fn len(&self) -> usize {
        self.next as usize - self.free.len()
    }

    /// All rows, in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flat_map(|piece| piece.iter().flatten())
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.pieces.iter_mut().flat_map(|piece| piece.iter_mut().flatten())
    }

    fn place(&mut self, number: u32) -> Option<&mut Option<T>> {
        self.pieces.get_mut(number as usize / PIECE)?.get_mut(number as usize % PIECE)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_what_a_map_by_number_is(steps in prop::collection::vec(prop::option::weighted(0.4, 0_u32..200), 0..400)) {
            let (mut rows, mut map) = (Rows::default(), BTreeMap::new());
            for (value, step) in steps.into_iter().enumerate() {
                match step {
                    None => prop_assert_eq!(map.insert(rows.insert(value), value), None, "a number is one row's"),
                    Some(number) => {
                        prop_assert_eq!(rows.get(number), map.get(&number));
                        prop_assert_eq!(rows.get_mut(number), map.get_mut(&number));
                        prop_assert_eq!(rows.remove(number), map.remove(&number));
                    }
                }
                prop_assert_eq!(rows.len(), map.len());
            }
            prop_assert_eq!(rows.iter().copied().collect::<Vec<_>>(), map.into_values().collect::<Vec<_>>());
        }
    }
}
