//! The code base tested as text: what no compiler checks, and readers rely on.
//!
//! Every finding names a file, a line and what to do. A rule that is in the way is changed here, in the open,
//! rather than worked around.

mod bounds;
mod documents;
mod errors;
mod originals;
mod sources;
mod text;
mod tree;
mod vocabulary;

use tree::{Finding, Tree};

/// Runs one rule over the tree and fails with all that it finds.
fn check(rule: impl FnOnce(&Tree) -> Vec<Finding>) {
    let findings = rule(&Tree::read());
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} findings:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn the_core_names_no_runtime() {
    check(sources::the_core_names_no_runtime);
}

#[test]
fn the_core_mentions_nothing_impure() {
    check(sources::the_core_mentions_nothing_impure);
}

#[test]
fn packages_use_only_what_is_to_their_right() {
    check(sources::packages_use_only_what_is_to_their_right);
}

#[test]
fn adapters_do_not_know_each_other() {
    check(sources::adapters_do_not_know_each_other);
}

#[test]
fn files_are_short() {
    check(sources::files_are_short);
}

#[test]
fn files_say_what_they_are() {
    check(sources::files_say_what_they_are);
}

#[test]
fn nothing_is_left_undone() {
    check(sources::nothing_is_left_undone);
}

#[test]
fn hosts_do_not_unwrap() {
    check(sources::hosts_do_not_unwrap);
}

#[test]
fn files_speak_of_the_project_alone() {
    check(text::files_speak_of_the_project_alone);
}

#[test]
fn lines_end_cleanly() {
    check(text::lines_end_cleanly);
}

#[test]
fn keys_on_disk_are_unique_and_described() {
    check(documents::keys_on_disk_are_unique_and_described);
}

#[test]
fn readme_and_ci_run_the_same_tests() {
    check(documents::readme_and_ci_run_the_same_tests);
}

#[test]
fn the_changelog_has_this_version() {
    check(documents::the_changelog_has_this_version);
}

#[test]
fn links_resolve() {
    check(documents::links_resolve);
}

#[test]
fn decisions_say_context_choice_and_cost() {
    check(documents::decisions_say_context_choice_and_cost);
}

#[test]
fn error_pages_help() {
    check(errors::error_pages_help);
}

#[test]
fn error_codes_are_used() {
    check(errors::error_codes_are_used);
}

#[test]
fn bounds_are_documented() {
    check(bounds::bounds_are_documented);
}

#[test]
fn bounds_are_met() {
    check(bounds::bounds_are_met);
}

#[test]
fn queues_are_explained() {
    check(bounds::queues_are_explained);
}

#[test]
fn the_contract_explains_itself() {
    check(vocabulary::the_contract_explains_itself);
}

#[test]
fn the_sdk_uses_the_whole_contract() {
    check(vocabulary::the_sdk_uses_the_whole_contract);
}

#[test]
fn the_probe_uses_the_whole_sdk() {
    check(vocabulary::the_probe_uses_the_whole_sdk);
}

#[test]
fn the_probe_sets_every_policy() {
    check(vocabulary::the_probe_sets_every_policy);
}

#[test]
fn our_numbers_are_true() {
    check(originals::our_numbers_are_true);
}

#[test]
fn defects_have_tests() {
    check(originals::defects_have_tests);
}
