//! Of names that there are, the one that somebody may have meant.

/// The name that is nearest to a word, if one is near: the same but for case, or at most two letters away.
pub(crate) fn near<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = if word.chars().count() < 4 { 1 } else { 2 };
    let distance = |name: &str| {
        if name.eq_ignore_ascii_case(word) { 0 } else { edits(word, name) }
    };
    names.map(|name| (distance(name), name)).filter(|(far, _)| *far <= most).min().map(|(_, name)| name)
}

/// Letters to put in, leave out, change or swap until one word is the other.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let get = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let mut best =
                (get(&row, j) + usize::from(x != y)).min(get(&row, j + 1) + 1).min(get(&next, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(get(&before, j - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(usize::MAX)
}
