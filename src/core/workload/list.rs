//! Lists read within an allowance of memory.
//!
//! An element may take far more memory than its text: `{}` is two bytes of JSON, and a container is about two hundred of
//! memory. A list is charged for what it allocates, so a body cannot take more than the reader allows.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

thread_local! {
    static ALLOWANCE: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Runs `read`. The lists that it deserializes on this thread may allocate this many bytes together; past them
/// deserializing fails.
pub fn within_bytes<T>(bytes: usize, read: impl FnOnce() -> T) -> T {
    let before = ALLOWANCE.replace(bytes);
    let result = read();
    ALLOWANCE.set(before);
    result
}

/// Makes room for one more element, at the expense of the allowance.
pub(super) fn grow<T, E: Error>(list: &mut Vec<T>) -> Result<(), E> {
    if list.len() < list.capacity() {
        return Ok(());
    }
    let more = list.capacity().max(2);
    let size = |count: usize| count.saturating_mul(size_of::<T>());
    // While the list moves, its old place and its new one are both taken.
    let left = ALLOWANCE.get();
    if size(list.capacity() + more) > left {
        return Err(E::custom("the object has too many elements to be checked"));
    }
    ALLOWANCE.set(left.saturating_sub(size(more)));
    list.reserve_exact(more);
    Ok(())
}

/// A list; `null` stands for an empty one in what Go writes.
pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct ListVisitor<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a sequence")
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_seq(self)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(element) = elements.next_element()? {
                grow(&mut list)?;
                list.push(element);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_option(ListVisitor(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::within_bytes;
    use crate::workload::{Object, PodSpec};

    #[test]
    fn lists_are_charged_for_what_they_allocate() {
        let many = format!(r#"{{"spec":{{"containers":[{}{{}}]}}}}"#, "{},".repeat(9_999));
        let read = |bytes| within_bytes(bytes, || serde_json::from_str::<Object<'_>>(&many).map(|_| ()));
        read(8 << 20).unwrap();
        assert!(read(1 << 20).unwrap_err().to_string().contains("too many elements"));
        // An allowance counts for all lists together, and for the elements of maps.
        let nested = format!(r#"{{"containers":[{}{{}}]}}"#, r#"{"env":[{}]},"#.repeat(2_000));
        let read = |bytes| within_bytes(bytes, || serde_json::from_str::<PodSpec<'_>>(&nested).map(|_| ()));
        assert!(read(256 << 10).is_err() && read(4 << 20).is_ok());
        let labels = format!(r#"{{"metadata":{{"labels":{{{}"b":""}}}}}}"#, r#""a":"","#.repeat(9_999));
        let read = |bytes| within_bytes(bytes, || serde_json::from_str::<Object<'_>>(&labels).map(|_| ()));
        assert!(read(256 << 10).is_err() && read(4 << 20).is_ok());
        // What was read before does not count.
        serde_json::from_str::<Object<'_>>(&many).unwrap();
    }

    #[test]
    fn null_is_an_empty_list() {
        let spec: PodSpec<'_> = serde_json::from_str(r#"{"containers":null,"volumes":[]}"#).unwrap();
        assert!(spec.containers.is_empty() && spec.volumes.is_empty());
        assert!(serde_json::from_str::<PodSpec<'_>>(r#"{"containers":7}"#).is_err());
    }
}
