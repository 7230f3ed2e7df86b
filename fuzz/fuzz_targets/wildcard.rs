//! The linear-time matcher against one that tries everything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rolecall_iam::wildcard_match;

fuzz_target!(|input: (String, String)| {
    let (pattern, text) = input;
    let (characters, letters): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    assert_eq!(wildcard_match(&pattern, &text), naive(&characters, &letters), "{pattern:?} on {text:?}");
});

/// What `*` and `?` mean, suffix by suffix: whether the rest of the pattern matches the rest of the text.
fn naive(pattern: &[char], text: &[char]) -> bool {
    // After the whole pattern only the end of the text is left.
    let mut after: Vec<bool> = (0..=text.len()).map(|at| at == text.len()).collect();
    for wanted in pattern.iter().rev() {
        let mut here = vec![false; text.len() + 1];
        for at in (0..=text.len()).rev() {
            here[at] = match wanted {
                '*' => after[at] || (at < text.len() && here[at + 1]),
                '?' => at < text.len() && after[at + 1],
                letter => text.get(at) == Some(letter) && after[at + 1],
            };
        }
        after = here;
    }
    after[0]
}
