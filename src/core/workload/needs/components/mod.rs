//! The tables of components. Each row names the document that says what the component calls; `docs/components.md` is written from them. Of
//! the rows of one image, which stand in one table, the first whose signs hold counts.

mod cluster;
mod observability;
mod storage;

use super::component::Component;

/// Every component that is known.
pub fn components() -> impl Iterator<Item = &'static Component> {
    [storage::COMPONENTS, observability::COMPONENTS, cluster::COMPONENTS].into_iter().flatten()
}
