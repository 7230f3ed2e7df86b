//! `jq` programs, run in `jaq`, a second implementation of the language.

#![allow(unreachable_pub, reason = "shared by tests of several crates")]

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, RcIter};
use jaq_json::Val;
use serde_json::Value;

/// Runs a program on one input with one output.
pub fn jq(program: &str, input: Value) -> Value {
    let loader = Loader::new(jaq_std::defs().chain(jaq_json::defs()));
    let arena = Arena::default();
    let modules = loader.load(&arena, File { code: program, path: () }).unwrap_or_else(|_| panic!("not jq: {program}"));
    let filter = Compiler::default().with_funs(jaq_std::funs().chain(jaq_json::funs())).compile(modules).unwrap();
    let inputs = RcIter::new(core::iter::empty());
    let mut outputs = filter.run((Ctx::new([], &inputs), Val::from(input)));
    let output = outputs.next().unwrap().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(outputs.next().is_none(), "several outputs: {program}");
    output.into()
}
