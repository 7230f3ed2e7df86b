//! Roles whose names come close to another: a typo, perhaps.

use super::{Account, Role, Snapshot};

/// Most edits between two names that come close.
const MAX_EDITS: usize = 2;

impl Snapshot {
    /// The roles of an account whose names are at most two edits from this one, with the number of edits and their names in
    /// lower case. Looks at every role of the account.
    pub(crate) fn near_roles(&self, account: &str, name: &str) -> impl Iterator<Item = (usize, &str, &Role)> {
        let wanted = name.to_ascii_lowercase();
        let roles = self.accounts.get(account).and_then(|account: &Account| account.roles.as_ref());
        roles
            .into_iter()
            .flatten()
            .filter_map(move |(name, role)| Some((edits_within(wanted.as_bytes(), name.as_bytes())?, &**name, &**role)))
    }
}

/// The Levenshtein distance of two texts, where it is at most [`MAX_EDITS`]. Of the matrix only the cells are looked at that
/// so few edits reach.
fn edits_within(one: &[u8], other: &[u8]) -> Option<usize> {
    const BAND: usize = 2 * MAX_EDITS + 1;
    if one.len().abs_diff(other.len()) > MAX_EDITS {
        return None;
    }
    let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (one.get(same..)?, other.get(same..)?);
    let same = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    let (one, other) = (one.get(..one.len() - same)?, other.get(..other.len() - same)?);
    // Column `at` of a row holds the distance to the first `row + at - MAX_EDITS` bytes of the other text.
    let column = |row: usize, at: usize| (row + at).checked_sub(MAX_EDITS).filter(|column| *column <= other.len());
    let cell = |row: &[usize; BAND], at: Option<usize>| {
        at.and_then(|at| row.get(at)).copied().unwrap_or(usize::MAX).saturating_add(1)
    };
    let mut above = [usize::MAX; BAND];
    for (at, distance) in above.iter_mut().enumerate() {
        *distance = column(0, at).unwrap_or(usize::MAX);
    }
    for (row, byte) in one.iter().enumerate() {
        let mut current = [usize::MAX; BAND];
        for at in 0..BAND {
            let Some(column) = column(row + 1, at) else { continue };
            let distance = match column.checked_sub(1).and_then(|before| other.get(before)) {
                None => row + 1,
                Some(theirs) if theirs == byte => cell(&above, Some(at)) - 1,
                Some(_) => {
                    cell(&above, Some(at)).min(cell(&above, Some(at + 1))).min(cell(&current, at.checked_sub(1)))
                }
            };
            if let Some(place) = current.get_mut(at) {
                *place = distance;
            }
        }
        if current.iter().all(|distance| *distance > MAX_EDITS) {
            return None;
        }
        above = current;
    }
    let last = (other.len() + MAX_EDITS).checked_sub(one.len()).and_then(|at| above.get(at));
    last.copied().filter(|distance| *distance <= MAX_EDITS)
}

#[cfg(test)]
mod tests {
    use super::{MAX_EDITS, edits_within};

    #[test]
    fn few_edits_are_counted_as_the_whole_matrix_counts_them() {
        let texts = |letters: &[u8], longest: u32| -> Vec<Vec<u8>> {
            let count = letters.len();
            let of = |length: u32, number: usize| {
                (0..length).map(|at| letters[number / count.pow(at) % count]).collect::<Vec<u8>>()
            };
            (0..=longest).flat_map(|length| (0..count.pow(length)).map(move |n| of(length, n))).collect()
        };
        for one in texts(b"ab", 6) {
            for other in texts(b"abc", 5) {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let expected = strsim::levenshtein(&text(&one), &text(&other));
                let expected = Some(expected).filter(|edits| *edits <= MAX_EDITS);
                assert_eq!(edits_within(&one, &other), expected, "{} {}", text(&one), text(&other));
            }
        }
    }
}
