//! A label selector (Kubernetes API reference, meta/v1 LabelSelector), for builds without a Kubernetes client too.

/// A selector. All requirements must hold; without any it selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector(pub Vec<Requirement>);

/// What a label must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// What holds for its value.
    pub operator: Operator,
}

/// What holds for a label's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// It is one of these.
    In(Vec<String>),
    /// It is none of these, or the label is absent.
    NotIn(Vec<String>),
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl Selector {
    /// Whether labels are selected; `label` gives the value of one.
    pub fn selects<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.0.iter().all(|Requirement { key, operator }| {
            let value = label(key);
            let is_among = |values: &[String]| value.is_some_and(|value| values.iter().any(|known| known == value));
            match operator {
                Operator::In(values) => is_among(values),
                Operator::NotIn(values) => !is_among(values),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_label_is_not_in_any_list() {
        let values = || vec!["prod".to_owned(), "stage".to_owned()];
        for (operator, with, other, without) in [
            (Operator::In(values()), true, false, false),
            (Operator::NotIn(values()), false, true, true),
            (Operator::Exists, true, true, false),
            (Operator::DoesNotExist, false, false, true),
        ] {
            let selector = Selector(vec![Requirement { key: "env".to_owned(), operator }]);
            let selects = |value: Option<&'static str>| selector.selects(|key| value.filter(|_| key == "env"));
            assert_eq!(
                [selects(Some("prod")), selects(Some("test")), selects(None)],
                [with, other, without],
                "{selector:?}"
            );
        }
        assert!(Selector::default().selects(|_| None));
    }
}
