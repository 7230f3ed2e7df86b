//! The action that was meant.

use crate::action::is_known;
use crate::index::{Entry, Section, index};
use crate::pattern::has_wildcard;
use crate::typos::{OPERATIONS, PREFIXES};

/// The longest action has 70 characters or so; a longer text is no misspelled action.
const MAX_TEXT: usize = 160;

/// A user who writes one of these means it, so `Put` for `Get` counts for more than its letters.
const VERBS: [&str; 16] = [
    "associate",
    "attach",
    "create",
    "delete",
    "describe",
    "detach",
    "disable",
    "disassociate",
    "enable",
    "get",
    "list",
    "put",
    "set",
    "start",
    "stop",
    "update",
];

/// The action, or pattern of actions, that a text most likely means which is none; in AWS's spelling. `None` where the text
/// names an action as it is, or where nothing is near.
///
/// ```
/// # use rolecall_actions::suggest;
/// assert_eq!(suggest("dynamodb:Querry").as_deref(), Some("dynamodb:Query"));
/// assert_eq!(suggest("cloudwatch:PutLogEvents").as_deref(), Some("logs:PutLogEvents"));
/// assert_eq!(suggest("s3:ListObjectsV2").as_deref(), Some("s3:ListBucket"));
/// assert_eq!(suggest("dynamodb:Query"), None);
/// ```
pub fn suggest(action: &str) -> Option<String> {
    if action.len() > MAX_TEXT || is_known(action) {
        return None;
    }
    let text = action.trim_matches(|c: char| c.is_whitespace() || "\"'`,;:".contains(c));
    match text.split_once(':') {
        Some((prefix, name)) => {
            let prefix = prefix.trim();
            let name = name.trim_matches(|c: char| c.is_whitespace() || c == ':');
            if has_wildcard(prefix) || name.contains(':') || name.is_empty() {
                return None;
            }
            resolve(prefix, name)
        }
        None => without_colon(text),
    }
}

fn resolve(prefix: &str, name: &str) -> Option<String> {
    let own = index().section(prefix);
    let others = sections_like(prefix);
    if let Some(section) = own {
        let found = exact(section, name).or_else(|| near(section, name, 1));
        if found.is_some() {
            return found;
        }
    }
    others
        .iter()
        .find_map(|section| exact(section, name))
        .or_else(|| own.and_then(|section| near(section, name, limit(name))))
        .or_else(|| own.into_iter().chain(others.iter().copied()).find_map(|section| method(section, name)))
        .or_else(|| only_one(name))
        .or_else(|| others.iter().find_map(|section| near(section, name, limit(name))))
}

/// The name as it is, in another way of writing, or as the API has it.
fn exact(section: &Section, name: &str) -> Option<String> {
    if has_wildcard(name) {
        let pattern = format!("{}:{name}", section.prefix);
        return is_known(&pattern).then_some(pattern);
    }
    let plain = name.replace(['-', '_', ' '], "");
    let found = section.find(name).or_else(|| section.find(&plain));
    let operation = || {
        let of =
            OPERATIONS.iter().find(|(prefix, typo, _)| *prefix == section.prefix && typo.eq_ignore_ascii_case(&plain));
        of.and_then(|(_, _, meant)| section.find(meant))
    };
    found.or_else(operation).map(|entry| full(section, entry))
}

/// API Gateway's actions are the methods of HTTP (API Gateway Developer Guide, "Control access to a REST API with IAM
/// permissions").
fn method(section: &Section, name: &str) -> Option<String> {
    if section.prefix != "apigateway" {
        return None;
    }
    let verbs = [
        ("Get", "GET"),
        ("Create", "POST"),
        ("Import", "POST"),
        ("Update", "PATCH"),
        ("Delete", "DELETE"),
        ("Put", "PUT"),
    ];
    let (_, method) = verbs.iter().find(|(verb, _)| {
        name.len() > verb.len() && name.get(..verb.len()).is_some_and(|start| start.eq_ignore_ascii_case(verb))
    })?;
    section.find(method).map(|entry| full(section, entry))
}

fn full(section: &Section, entry: &Entry) -> String {
    format!("{}:{}", section.prefix, entry.name)
}

/// How many edits may lie between what was written and what was meant.
fn limit(text: &str) -> usize {
    (text.chars().count() / 4).clamp(1, 3)
}

/// The nearest action by edit distance; the first by name of several.
fn near(section: &Section, name: &str, limit: usize) -> Option<String> {
    let wanted = name.to_ascii_lowercase();
    if has_wildcard(&wanted) {
        return near_start(section, name, limit);
    }
    let verb = first_word(name);
    let candidates = section.entries().iter().filter_map(|entry| {
        let distance = distance(&wanted, entry.name, limit)?;
        let other = first_word(entry.name);
        let opposite = verb != other && VERBS.contains(&verb.as_str()) && VERBS.contains(&other.as_str());
        Some((distance + if opposite { 2 } else { 0 }, entry))
    });
    let (_, entry) = candidates.filter(|(cost, _)| *cost <= limit).min_by_key(|(cost, _)| *cost)?;
    Some(full(section, entry))
}

/// `Qeury*`: the pattern with the nearest beginning of an action, cut where a word ends.
fn near_start(section: &Section, name: &str, most: usize) -> Option<String> {
    let start = name.strip_suffix('*').filter(|start| !has_wildcard(start))?;
    let wanted = start.to_ascii_lowercase();
    let most = most.min(limit(start));
    let mut best: Option<(usize, &str)> = None;
    for entry in section.entries() {
        let ends = entry.name.char_indices().filter(|(at, c)| *at > 0 && c.is_ascii_uppercase()).map(|(at, _)| at);
        for end in ends.chain([entry.name.len()]) {
            let Some(candidate) = entry.name.get(..end) else { continue };
            if let Some(distance) = distance(&wanted, candidate, most)
                && best.is_none_or(|(least, _)| distance < least)
            {
                best = Some((distance, candidate));
            }
        }
    }
    best.map(|(_, candidate)| format!("{}:{candidate}*", section.prefix))
}

/// Edits, swapped neighbours among them, without regard to case; `None` where there are more than `limit`.
fn distance(wanted: &str, candidate: &str, limit: usize) -> Option<usize> {
    // Bytes are at least as many as characters, and candidates are ASCII.
    let length = wanted.chars().count();
    if length.abs_diff(candidate.len()) > limit {
        return None;
    }
    Some(strsim::osa_distance(wanted, &candidate.to_ascii_lowercase())).filter(|distance| *distance <= limit)
}

fn first_word(name: &str) -> String {
    let rest = name.char_indices().skip(1).find(|(_, c)| c.is_ascii_uppercase());
    name.get(..rest.map_or(name.len(), |(at, _)| at)).unwrap_or_default().to_ascii_lowercase()
}

/// The one service that has an action of this name, where the name says enough.
fn only_one(name: &str) -> Option<String> {
    let plain = name.replace(['-', '_', ' '], "");
    if has_wildcard(name) || plain.len() < 6 {
        return None;
    }
    let mut found = index().sections().iter().filter_map(|section| section.find(&plain).map(|entry| (section, entry)));
    let (section, entry) = found.next()?;
    found.next().is_none().then(|| full(section, entry))
}

/// The services that a prefix may stand for, likeliest first; not the one that has it.
fn sections_like(prefix: &str) -> Vec<&'static Section> {
    let index = index();
    let wanted = prefix.to_ascii_lowercase();
    let known = index.section(prefix).is_some();
    let bare = wanted.replace(['-', '_', ' '], "");
    let aliases = PREFIXES.iter().filter(|(alias, _)| *alias == wanted || alias.replace('-', "") == bare);
    let mut found: Vec<&'static Section> =
        aliases.flat_map(|(_, meant)| meant.iter()).filter_map(|meant| index.section(meant)).collect();
    if known || has_wildcard(prefix) {
        return found;
    }
    let most = if wanted.chars().count() <= 5 { 1 } else { 2 };
    let mut near: Vec<(usize, &Section)> = Vec::new();
    for section in index.sections() {
        let named = human(section.name) == bare.trim_start_matches("amazon").trim_start_matches("aws");
        let distance = if named { Some(0) } else { distance(&wanted, section.prefix, most) };
        near.extend(distance.map(|distance| (distance, section)));
    }
    near.sort_by_key(|(distance, _)| *distance);
    found.extend(near.into_iter().map(|(_, section)| section));
    found
}

/// `Amazon CloudWatch Logs` as a person would make a prefix of it.
fn human(name: &str) -> String {
    let name = name.strip_prefix("Amazon ").or_else(|| name.strip_prefix("AWS ")).unwrap_or(name);
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// `s3.GetObject`, `s3GetObject`, or `PutLogEvents` alone: only where it is sure.
fn without_colon(text: &str) -> Option<String> {
    for (at, separator) in text.char_indices().filter(|(_, c)| "./ |-_".contains(*c)) {
        let prefix = text.get(..at)?;
        let name = text.get(at + separator.len_utf8()..)?.trim();
        if name.is_empty() || name == "*" || has_wildcard(prefix) {
            continue;
        }
        let own = index().section(prefix);
        let sections = own.into_iter().chain(sections_like(prefix));
        if let Some(found) = sections.into_iter().find_map(|section| exact(section, name)) {
            return Some(found);
        }
    }
    if has_wildcard(text) || text.is_empty() {
        return None;
    }
    let mut glued = index().sections().iter().filter_map(|section| {
        let length = section.prefix.len();
        let start = text.get(..length).filter(|start| start.eq_ignore_ascii_case(section.prefix))?;
        text.get(start.len()..).and_then(|name| section.find(name)).map(|entry| full(section, entry))
    });
    if let Some(found) = glued.next() {
        return glued.next().is_none().then_some(found);
    }
    only_one(text)
}
